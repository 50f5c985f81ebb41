"""OpenTelemetry's API for traces, imported when it is first used.

A process none of whose calls is sampled does without, and starts the sooner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.trace import Span as Span
    from opentelemetry.trace import SpanContext as SpanContext
    from opentelemetry.trace import SpanKind as SpanKind
    from opentelemetry.trace import StatusCode as StatusCode
    from opentelemetry.trace import TraceFlags as TraceFlags
    from opentelemetry.trace import get_current_span as get_current_span
    from opentelemetry.trace import get_tracer as get_tracer
    from opentelemetry.trace import set_span_in_context as set_span_in_context
else:

    def __getattr__(name: str) -> Any:
        from opentelemetry import trace

        found = globals()[name] = getattr(trace, name)
        return found
