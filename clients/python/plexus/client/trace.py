"""Carries the trace on. A sampled call is a span, made by OpenTelemetry's own gRPC instrumentation.

An unsampled call costs one header and no span, unless it fails or is slow: see `afterwards`.
"""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final, NamedTuple

import grpc
from opentelemetry.context import get_current

from plexus.client import afterwards, otel, traceparent
from plexus.client.inbound import Inbound
from plexus.client.outgoing import Outgoing, Parts, Send
from plexus.client.spans import STATUS_CODE, explain, reasons
from plexus.client.traceparent import TRACEPARENT, continued
from plexus.contract import Method
from plexus.errors import PlexusError, from_rpc

_END: Final = object()


class _CallInfo(NamedTuple):
    """What the instrumentation wants to know of a call."""

    full_method: str
    is_client_stream: bool
    is_server_stream: bool
    timeout: float | None


class _Failed(NamedTuple):
    """Takes an error past the instrumentation, which would write down its text and its stack."""

    error: Exception


def trace(method: Method, parts: Parts, proceed: Send) -> Send:
    """Send `traceparent`; for a sampled call let the instrumentation make the span and send it."""
    sampling = parts.tuning.sampling
    slow = method.deadline * parts.tuning.slow_share
    spanned = (_stream_spanned if method.server_streaming else _spanned)(method, proceed)
    leave = _leaving(method)

    monotonic, streams = time.monotonic, method.server_streaming

    def send(out: Outgoing) -> Any:
        work = out.work
        if work is not None and work.traceparent:
            if work.sampled:
                return spanned(out)
            header = continued(work.traceparent)
        else:
            begun = _begin(sampling)
            if not begun:
                return spanned(out) if begun is None else proceed(out)
            header = begun
        out.metadata.append((TRACEPARENT, header))
        began = monotonic()
        try:
            response = proceed(out)
        except PlexusError as error:
            if error.status.name in afterwards.FAILURES:
                leave(work, header, began, error)
            raise
        if streams:
            return _watched(response, lambda error: leave(work, header, began, error))
        if monotonic() - began > slow:
            leave(work, header, began, None)
        return response

    return send


def _begin(sampling: float | None) -> str | None:
    """The header of a call that is part of no work here.

    None when it is sampled; empty when that is left to who answers.
    """
    # Hardly anybody has a context, and asking for its span takes longer than all the rest.
    if get_current():
        current = otel.get_current_span().get_span_context()
        if current.is_valid:
            if current.trace_flags & otel.TraceFlags.SAMPLED:
                return None
            return continued(traceparent.of(current, sampled=False))
    if sampling is None:
        return ""
    return None if traceparent.chosen(sampling) else traceparent.new_header()


Leave = Callable[[Inbound | None, str, float, PlexusError | None], None]


def _leaving(method: Method) -> Leave:
    def leave(work: Inbound | None, header: str, began: float, error: PlexusError | None) -> None:
        if not afterwards.are_kept():
            return
        is_part = work is not None and work.traceparent
        afterwards.leave(
            afterwards.Late(
                name=method.wire_path,
                is_server=False,
                trace_id=int(traceparent.trace_id_of(header), 16),
                span_id=traceparent.span_id_of(header),
                parent=work.own_span() if work is not None and is_part else 0,
                seconds=time.monotonic() - began,
                attributes={
                    **afterwards.attributes_of(method.wire_path),
                    **(reasons(error) if error else {}),
                },
                failure=error.reason if error else "",
            )
        )

    return leave


def _watched(responses: Iterator[Any], leave: Callable[[PlexusError], None]) -> Iterator[Any]:
    try:
        yield from responses
    except grpc.RpcError as failure:
        error = from_rpc(failure)
        if error.status.name in afterwards.FAILURES:
            leave(error)
        raise error from None


def _spanned(method: Method, proceed: Send) -> Send:
    """What makes sampled calls that answer once."""

    def send(out: Outgoing) -> Any:
        def invoke(request: Any, metadata: Any) -> Any:
            out.request = request
            out.metadata = list(metadata)
            span = otel.get_current_span()
            out.span = span if span.is_recording() else None
            try:
                return proceed(out)
            except Exception as error:  # noqa: BLE001 - raised again outside the span
                explain(span, error)
                return _Failed(error)

        info = _CallInfo(method.wire_path, method.client_streaming, False, out.timeout)
        answer = _interceptor().intercept_unary(out.request, tuple(out.metadata), info, invoke)
        if isinstance(answer, _Failed):
            raise answer.error
        return answer

    return send


def _stream_spanned(method: Method, proceed: Send) -> Send:
    """What makes sampled calls that answer with a stream."""

    def send(out: Outgoing) -> Any:
        def invoke(request: Any, metadata: Any) -> Iterator[Any]:
            out.request = request
            out.metadata = list(metadata)
            span = otel.get_current_span()
            try:
                yield from proceed(out)
            except GeneratorExit:
                # Its reader has had enough.
                span.set_attribute(STATUS_CODE, grpc.StatusCode.CANCELLED.value[0])
                raise
            except Exception as failure:  # noqa: BLE001 - raised again outside the span
                error = from_rpc(failure) if isinstance(failure, grpc.RpcError) else failure
                explain(span, error)
                yield _Failed(error)

        # So the instrumentation puts its span around the responses, also of streams both ways.
        info = _CallInfo(method.wire_path, False, True, out.timeout)
        return _apart(
            _interceptor().intercept_stream(out.request, tuple(out.metadata), info, invoke)
        )

    return send


def _apart(responses: Any) -> Iterator[Any]:
    """Read *responses* in a context of their own: what is done between two of them is not part of
    their span. However reading ends, the span ends."""
    context = contextvars.copy_context()
    try:
        while (response := context.run(next, responses, _END)) is not _END:
            if isinstance(response, _Failed):
                raise response.error
            yield response
    finally:
        context.run(responses.close)


@cache
def _interceptor() -> Any:
    # Imported for the first sampled call: a process that never samples never pays for it.
    from opentelemetry.instrumentation import grpc as instrumentation

    make: Any = instrumentation.client_interceptor
    return make()
