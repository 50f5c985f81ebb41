"""Carries the trace on. A sampled call is a span, made by OpenTelemetry's own gRPC instrumentation.

An unsampled call costs one header and no span.
"""

from __future__ import annotations

import random
from functools import cache
from typing import Any, NamedTuple

from opentelemetry import trace as otel

from plexus.client.inbound import inbound
from plexus.client.outgoing import Outgoing, Parts, Send
from plexus.contract import Method

TRACEPARENT = "traceparent"
_random = random.SystemRandom()


class _CallInfo(NamedTuple):
    """What the instrumentation wants to know of a call."""

    full_method: str
    is_client_stream: bool
    is_server_stream: bool
    timeout: float | None


def trace(method: Method, parts: Parts, proceed: Send) -> Send:
    """Send `traceparent`; for a sampled call let the instrumentation make the span and send it."""

    def send(out: Outgoing) -> Any:
        sampled, parent = context(parts.tuning.sampling)
        if not sampled:
            out.metadata.append((TRACEPARENT, parent))
            return proceed(out)

        def invoke(request: Any, metadata: Any) -> Any:
            out.request = request
            out.metadata = list(metadata)
            return proceed(out)

        info = _CallInfo(
            method.wire_path, method.client_streaming, method.server_streaming, out.timeout
        )
        intercept = (
            _interceptor().intercept_stream
            if method.server_streaming
            else _interceptor().intercept_unary
        )
        return intercept(out.request, tuple(out.metadata), info, invoke)

    return send


def context(sampling: float) -> tuple[bool, str]:
    """Whether the call about to be made is sampled, and the `traceparent` to send when it is not."""
    work = inbound()
    if work is not None and work.traceparent:
        return work.sampled, work.traceparent
    current = otel.get_current_span().get_span_context()
    if current.is_valid:
        sampled = bool(current.trace_flags & otel.TraceFlags.SAMPLED)
        return sampled, f"00-{current.trace_id:032x}-{current.span_id:016x}-00"
    if sampling and random.random() < sampling:  # noqa: S311 - a share, not a secret
        return True, ""
    return False, f"00-{_random.getrandbits(128):032x}-{_random.getrandbits(64):016x}-00"


@cache
def _interceptor() -> Any:
    # Imported for the first sampled call: a process that never samples never pays for it.
    from opentelemetry.instrumentation import grpc as instrumentation

    make: Any = instrumentation.client_interceptor
    return make()
