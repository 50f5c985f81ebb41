"""The spans of a hedged call's attempts, below the span of the call. Only a sampled call has any.

Each says how it ended: it `won`, it was `cancelled` because another had won, it was answered too late
and `lost`, or it `failed`. A later attempt tells its replica that it is its parent; the first one was
sent before anybody knew that there would be others, so what it led to hangs below the call itself.
"""

from __future__ import annotations

import time
from typing import Any, Final

import grpc

from plexus.client import otel, traceparent
from plexus.client.outgoing import Outgoing
from plexus.client.spans import STATUS_CODE
from plexus.client.traceparent import TRACEPARENT

NUMBER: Final = "plexus.attempt"
OUTCOME: Final = "plexus.attempt.outcome"
HEADER: Final = "plexus-attempt"
"""Tells the callee which attempt this is; the first does not say."""

WON: Final = "won"
CANCELLED: Final = "cancelled"
LOST: Final = "lost"
FAILED: Final = "failed"


class Attempt:
    """One attempt but the first. Without a span it costs nothing and tells nothing."""

    __slots__ = ("_out", "_span", "metadata")

    def __init__(self, out: Outgoing, number: int) -> None:
        self._out = out
        self._span: otel.Span | None = None
        self.metadata = out.metadata
        if out.span is not None:
            self._span = _begin(out.span, number, None)
            self.metadata = _led_to_by(self._span, number, out.metadata)

    def end(self, error: grpc.RpcError | None, *, answered: bool, won: bool) -> None:
        """Say how it ended; once."""
        if self._span is None:
            return
        outcome = WON if won else LOST if answered else FAILED
        _end(self._span, outcome, error)


def tell_first(out: Outgoing, started: float, error: grpc.RpcError | None, *, won: bool) -> None:
    """Make the span of the first attempt, sent at *started* on the monotonic clock, when it is over."""
    if out.span is None:
        return
    began = time.time_ns() - int((time.monotonic() - started) * 1e9)
    _end(_begin(out.span, 1, began), WON if won else FAILED, error)


def _begin(call: otel.Span, number: int, began: int | None) -> otel.Span:
    tracer = otel.get_tracer(__name__)
    return tracer.start_span(
        "attempt",
        context=otel.set_span_in_context(call),
        kind=otel.SpanKind.CLIENT,
        attributes={NUMBER: number},
        start_time=began,
    )


def _end(span: otel.Span, outcome: str, error: grpc.RpcError | None) -> None:
    failed: Any = error
    code: grpc.StatusCode = failed.code() if failed is not None else grpc.StatusCode.OK
    if outcome == FAILED and code is grpc.StatusCode.CANCELLED:
        outcome = CANCELLED
    span.set_attributes({OUTCOME: outcome, STATUS_CODE: code.value[0]})
    if outcome == FAILED:
        span.set_status(otel.StatusCode.ERROR, code.name)
    span.end()


def _led_to_by(
    span: otel.Span, number: int, metadata: list[tuple[str, str | bytes]]
) -> list[tuple[str, str | bytes]]:
    header = traceparent.of(span.get_span_context(), sampled=True)
    others = [pair for pair in metadata if pair[0] != TRACEPARENT]
    return [*others, (TRACEPARENT, header), (HEADER, str(number))]
