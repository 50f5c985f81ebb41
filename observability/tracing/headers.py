"""Trace headers, read as the calls of this mesh write them."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import CarrierT, Getter, default_getter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from observability.tracing.spans import KEPT
from plexus.client import traceparent


class Headers(TraceContextTextMapPropagator):
    """W3C Trace Context without a vendor's state, which nobody in the mesh keeps or reads."""

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        """*context*, or an empty one, with the caller's span; without it when its header is not valid."""
        context = Context() if context is None else context
        found = getter.get(carrier, traceparent.TRACEPARENT)
        header = found[0] if found else None
        if not traceparent.is_valid(header):
            return context
        caller = trace.SpanContext(
            trace_id=int(traceparent.trace_id_of(header), 16),
            span_id=traceparent.span_id_of(header),
            is_remote=True,
            trace_flags=KEPT if traceparent.is_sampled(header) else trace.DEFAULT_TRACE_OPTIONS,
        )
        return trace.set_span_in_context(trace.NonRecordingSpan(caller), context)
