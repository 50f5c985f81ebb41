"""The spans that calls made by a test leave, kept in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from observability import tracing

PATIENCE = 10.0


class Spans:
    """What has ended since the test began."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter
        self._kept: tuple[ReadableSpan, ...] | None = None

    def all(self) -> tuple[ReadableSpan, ...]:
        """Every span, in the order in which they ended."""
        return self._exporter.get_finished_spans() if self._kept is None else self._kept

    def close(self) -> None:
        """Take in no more."""
        self._kept = self._exporter.get_finished_spans()

    def await_some(self, count: int) -> tuple[ReadableSpan, ...]:
        """The spans as soon as there are so many: the other end of a call ends its own by itself."""
        return self.until(lambda spans: len(spans) >= count)

    def until(self, look: Callable[[tuple[ReadableSpan, ...]], object]) -> tuple[ReadableSpan, ...]:
        """The spans as soon as *look* is content with them."""
        deadline = time.monotonic() + PATIENCE
        while not look(found := self.all()):
            assert time.monotonic() < deadline, f"in vain waited for spans; {len(found)} came"
            time.sleep(0.005)
        return found

    def one(self, kind: SpanKind, name: str = "") -> ReadableSpan:
        """The one span of that kind, and with that in its name, as soon as it is there."""

        def those(spans: tuple[ReadableSpan, ...]) -> list[ReadableSpan]:
            return [span for span in spans if span.kind is kind and name in span.name]

        (found,) = those(self.until(those))
        return found


@cache
def _exporter() -> InMemorySpanExporter:
    # A process can have one provider of spans in its life.
    exporter = InMemorySpanExporter()
    tracing.record("test", "test-1", SimpleSpanProcessor(exporter))
    return exporter


@contextmanager
def recorded() -> Iterator[Spans]:
    """Record the spans of what happens inside."""
    exporter = _exporter()
    exporter.clear()
    spans = Spans(exporter)
    try:
        yield spans
    finally:
        spans.close()


def told(span: ReadableSpan) -> Mapping[str, Any]:
    """The attributes of a span."""
    return span.attributes or {}


def happened(span: ReadableSpan) -> list[tuple[str, Mapping[str, Any]]]:
    """The events of a span: their names and what is told of them."""
    return [(event.name, dict(event.attributes or {})) for event in span.events]


def id_of(span: ReadableSpan) -> int:
    """The id of a span."""
    return span.context.span_id if span.context else 0


def trace_of(span: ReadableSpan) -> str:
    """The id of its trace."""
    return f"{span.context.trace_id:032x}" if span.context else ""


def parent_of(span: ReadableSpan) -> int:
    """The id of the span it is part of; 0 when there is none."""
    return span.parent.span_id if span.parent else 0
