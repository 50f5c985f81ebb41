"""Makes spans of calls that are over: see `plexus.client.afterwards`."""

from __future__ import annotations

import time

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from observability.tracing.spans import KEPT
from plexus.client.afterwards import Keep, Late

_SCOPE = InstrumentationScope("plexus.afterwards")


def keeper(processor: SpanProcessor, resource: Resource) -> Keep:
    """What makes late spans, with the ids that were told to others, and hands them to *processor*."""

    def keep(late: Late) -> None:
        now = time.time_ns()
        parent = _context(late, late.parent) if late.parent else None
        failed = trace.Status(trace.StatusCode.ERROR, late.failure) if late.failure else None
        span = ReadableSpan(
            name=late.name,
            context=_context(late, late.span_id),
            parent=parent,
            resource=resource,
            attributes=late.attributes,
            events=tuple(Event(each.name, each.attributes, now) for each in late.happenings),
            kind=trace.SpanKind.SERVER if late.is_server else trace.SpanKind.CLIENT,
            status=failed or trace.Status(),
            start_time=now - int(late.seconds * 1e9),
            end_time=now,
            instrumentation_scope=_SCOPE,
        )
        processor.on_end(span)

    return keep


def _context(late: Late, span_id: int) -> trace.SpanContext:
    return trace.SpanContext(late.trace_id, span_id, is_remote=False, trace_flags=KEPT)
