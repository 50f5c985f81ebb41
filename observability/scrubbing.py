"""The last gate before a span leaves the process: what instrumentations write of their own accord.

Their attributes are let through by name, since nobody here wrote them: OpenTelemetry's own for calls,
connections, statements without values, and exceptions by type. What an exception said, where a
statement failed and with which values, what a caller put into headers, does not pass.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, SpanContext, Status, TraceState

_NAMES: Final = re.compile(
    r"plexus\.[a-z_.]+"
    r"|rpc\.(system|service|method|grpc\.status_code|response\.status_code)"
    r"|error\.type|exception\.type"
    r"|(net|network|server|client)\.[a-z_.]+"
    r"|db\.(system|system\.name|name|namespace|operation|operation\.name|statement|query\.text"
    r"|query\.summary|collection\.name|response\.status_code)"
    r"|messaging\.[a-z_.]+|thread\.[a-z]+|code\.[a-z.]+|otel\.[a-z_.]+"
).fullmatch

_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.]*").fullmatch
"""What a status may be described with: a documented reason, a status name, a type."""

_NO_STATE: Final = TraceState()


class Scrubbing(SpanExporter):
    """Exports what may leave, by another exporter."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send the spans, scrubbed."""
        return self._inner.export([scrubbed(span) for span in spans])

    def shutdown(self) -> None:
        """Shut the other exporter down."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Have the other exporter send what it holds."""
        return self._inner.force_flush(timeout_millis)


def scrubbed(span: ReadableSpan) -> ReadableSpan:
    """The span, without what may not leave."""
    if _is_clean(span):
        return span
    return ReadableSpan(
        name=span.name,
        context=_bare(span.context),
        parent=_bare(span.parent),
        resource=span.resource,
        attributes=passing(span.attributes or {}),
        events=[
            Event(event.name, passing(event.attributes or {}), event.timestamp)
            for event in span.events
        ],
        links=[Link(link.context, passing(link.attributes or {})) for link in span.links],
        kind=span.kind,
        status=_described(span.status),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def passing(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Those that may leave."""
    return {name: value for name, value in attributes.items() if _passes(name)}


@cache
def _passes(name: str) -> bool:
    return _NAMES(name) is not None


def _is_clean(span: ReadableSpan) -> bool:
    return (
        all(map(_passes, span.attributes or ()))
        and not span.events
        and not span.links
        and _described(span.status) is span.status
        and _bare(span.context) is span.context
        and _bare(span.parent) is span.parent
    )


def _described(status: Status) -> Status:
    said = status.description
    return status if said is None or _WORD(said) else Status(status.status_code)


def _bare(context: SpanContext | None) -> SpanContext | None:
    # A trace's state is whatever the first caller put into a header.
    if context is None or not context.trace_state:
        return context
    return SpanContext(
        context.trace_id, context.span_id, context.is_remote, context.trace_flags, _NO_STATE
    )
