"""Traces by OpenTelemetry: who makes spans, which are kept, where they go.

Whether a call is sampled is decided by the stacks before a span is made, so every span that is made
is kept. What becomes of spans is nobody's concern but that of one thread: a call never waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from plexus.client import afterwards

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

    from observability.tracing.queue import SpanQueue

EXPORT_TIMEOUT: Final = 2.0
"""Seconds that a receiver has to take spans in, and that a process waits at its end."""


_queue: SpanQueue | None = None


def configure(service: str, replica: str, otlp: str) -> None:
    """Send this process's spans to *otlp*: a gRPC target such as `unix:/run/traces.sock` or
    `jaeger:4317`, in plaintext, or `https://…`, by TLS.

    The exporter's own variables (OTEL_EXPORTER_OTLP_HEADERS, …_CERTIFICATE) count, too. Without a
    target no SDK is loaded and no span is made.
    """
    if not otlp:
        return
    # The SDK and its exporter cost a fifth of a second to import: only who exports pays for it.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    from observability.scrubbing import Scrubbing
    from observability.tracing.queue import SpanQueue

    secure = otlp.startswith("https:")
    exporter = OTLPSpanExporter(endpoint=otlp, insecure=not secure, timeout=EXPORT_TIMEOUT)
    global _queue
    _queue = SpanQueue(Scrubbing(exporter))
    record(service, replica, _queue)


def sent_and_lost() -> tuple[int, int]:
    """How many of this process's spans arrived, and how many nobody was sent."""
    return (_queue.sent, _queue.lost) if _queue else (0, 0)


def record(service: str, replica: str, processor: SpanProcessor) -> None:
    """Have this process's spans made, and handed to *processor*. Once in the life of a process."""
    from opentelemetry import propagate, trace
    from opentelemetry.sdk.resources import Resource

    from observability.tracing.headers import Headers
    from observability.tracing.late import keeper
    from observability.tracing.spans import Provider

    resource = Resource.create({"service.name": service, "service.instance.id": replica})
    trace.set_tracer_provider(Provider(processor, resource))
    # A caller's baggage is not carried on: it may hold anything.
    propagate.set_global_textmap(Headers())
    afterwards.keep_with(keeper(processor, resource))


def flush() -> None:
    """Send what has not been sent, for at most two seconds."""
    from opentelemetry import trace

    provider = trace.get_tracer_provider()
    if hasattr(provider, "force_flush"):
        provider.force_flush(round(EXPORT_TIMEOUT * 1000))
