"""Traces by OpenTelemetry: who makes spans, which are kept, where they go."""

from __future__ import annotations

from typing import Final

SAMPLED: Final = 0x01


def configure(service: str, replica: str, otlp: str) -> None:
    """Send this process's spans to *otlp*, a gRPC target such as `unix:/run/traces.sock`.

    Without a target no SDK is loaded and spans are dropped. Whether a call is sampled is decided by
    the stacks before a span is made, so every span that is made is kept.
    """
    if not otlp:
        return
    # The SDK and its exporter cost a fifth of a second to import: only who exports pays for it.
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from observability.scrubbing import Scrubbing

    resource = Resource.create({"service.name": service, "service.instance.id": replica})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=otlp, insecure=True, timeout=2)
    provider.add_span_processor(
        BatchSpanProcessor(
            Scrubbing(exporter),
            max_queue_size=4096,
            schedule_delay_millis=200,
            export_timeout_millis=2000,
        )
    )
    trace.set_tracer_provider(provider)


def flush() -> None:
    """Send what has not been sent, for at most two seconds."""
    from opentelemetry import trace

    provider = trace.get_tracer_provider()
    if hasattr(provider, "force_flush"):
        provider.force_flush(2000)


def parse(traceparent: str) -> tuple[str, bool]:
    """The trace id of a W3C `traceparent` and whether it is sampled; empty when malformed."""
    parts = traceparent.split("-")
    if len(parts) < 4 or len(parts[1]) != 32 or len(parts[3]) != 2:
        return "", False
    try:
        return parts[1], bool(int(parts[3], 16) & SAMPLED)
    except ValueError:
        return "", False
