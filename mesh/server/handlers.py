"""gRPC's handlers for a servicer: bytes in, the stack, messages out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from opentelemetry import trace

from mesh import meaning
from mesh.server.faults import abort
from mesh.server.incoming import Handle, Incoming, Parts
from mesh.server.stack import compose
from mesh.server.traced import Failed, Shown, finish, instrumented, leave, unspan
from plexus.client import Inbound, traceparent
from plexus.client.traceparent import TRACEPARENT, chosen, is_sampled, is_valid, new_header
from plexus.contract import Method


def handlers(
    descriptor: ServiceDescriptor, servicer: object, parts: Parts
) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
    """A handler for each method of *descriptor*, by name, over the servicer's methods."""
    return {
        method.name: _handler(
            parts.contract.method(f"{descriptor.full_name}/{method.name}"),
            getattr(servicer, method.name),
            parts,
        )
        for method in descriptor.methods
    }


def behaviour(method: Method, handler: Any, parts: Parts) -> Any:
    """The stack around *handler*, as gRPC calls it: `(bytes, context)`, unsampled."""
    quick = _unsampled(method, compose(method, parts, handler))

    def serve(raw: Any, call: grpc.ServicerContext) -> Any:
        metadata = dict(call.invocation_metadata() or ())
        header = metadata.get(TRACEPARENT)
        return quick(raw, call, metadata, header if is_valid(header) else new_header())

    return serve


def _handler(method: Method, handler: Any, parts: Parts) -> grpc.RpcMethodHandler[Any, Any]:
    handle = compose(method, parts, handler)
    quick = _unsampled(method, handle)
    kind = _KINDS[method.client_streaming, method.server_streaming]

    @cache
    def spanned() -> Any:
        return _sampled(method, handle, kind)

    def choose(raw: Any, call: grpc.ServicerContext) -> Any:
        metadata = dict(call.invocation_metadata() or ())
        header = metadata.get(TRACEPARENT)
        if is_valid(header):
            if is_sampled(header):
                return spanned()(raw, call, metadata)
            return quick(raw, call, metadata, header)
        # Nobody upstream has decided: this is where the trace begins.
        if chosen(parts.sampling):
            return spanned()(raw, call, metadata)
        return quick(raw, call, metadata, new_header())

    make = getattr(grpc, f"{kind}_rpc_method_handler")
    made: grpc.RpcMethodHandler[Any, Any] = make(
        choose,
        # The stack reads the request itself, after it has found out who asks.
        request_deserializer=None,
        response_serializer=lambda message: message.SerializeToString(),
    )
    return made


def _unsampled(method: Method, handle: Handle) -> Any:
    """What answers calls that carry a context and no span, but may leave one."""
    slow = method.deadline * meaning.SLOW_SHARE
    monotonic = time.monotonic

    def unary(
        raw: Any, call: grpc.ServicerContext, metadata: Mapping[str, Any], header: str
    ) -> Any:
        began = monotonic()
        work = _work(method, call, header, began)
        incoming = Incoming(raw=raw, context=call, metadata=metadata, work=work)
        try:
            response = handle(incoming)
        except Exception as error:  # noqa: BLE001 - this is where every failure gets its reason
            leave(method, incoming, began, error, slow=False)
            abort(error, call)
        if work.span_id or monotonic() - began > slow:
            leave(method, incoming, began, None, slow=True)
        return response

    def stream(
        raw: Any, call: grpc.ServicerContext, metadata: Mapping[str, Any], header: str
    ) -> Iterator[Any]:
        began = time.monotonic()
        work = _work(method, call, header, began)
        incoming = Incoming(raw=raw, context=call, metadata=metadata, work=work)
        try:
            yield from handle(incoming)
        except Exception as error:  # noqa: BLE001 - as above
            leave(method, incoming, began, error, slow=False)
            abort(error, call)

    return stream if method.server_streaming else unary


def _sampled(method: Method, handle: Handle, kind: str) -> Any:
    """What answers calls that have a span."""

    def begin(raw: Any, shown: Any) -> tuple[Incoming, trace.Span]:
        call: grpc.ServicerContext = shown.call
        span = trace.get_current_span()
        header = traceparent.of(span.get_span_context(), sampled=True)
        work = _work(method, call, header, time.monotonic())
        work.sampled = True
        return Incoming(raw=raw, context=call, metadata=shown.metadata, work=work), span

    def inside(raw: Any, shown: Any) -> Any:
        incoming, span = begin(raw, shown)
        try:
            response = handle(incoming)
        except Exception as error:  # noqa: BLE001 - raised again outside the span
            finish(span, incoming, error)
            return Failed(error)
        finish(span, incoming, None)
        return response

    def inside_stream(raw: Any, shown: Any) -> Iterator[Any]:
        incoming, span = begin(raw, shown)
        try:
            yield from handle(incoming)
        except GeneratorExit as gone:
            finish(span, incoming, gone)
            raise
        except Exception as error:  # noqa: BLE001 - raised again outside the span
            finish(span, incoming, error)
            yield Failed(error)
        else:
            finish(span, incoming, None)

    within = instrumented(method, kind, inside_stream if method.server_streaming else inside)

    def unary(raw: Any, call: grpc.ServicerContext, metadata: Mapping[str, Any]) -> Any:
        answer = within(raw, Shown(call, metadata))
        if isinstance(answer, Failed):
            abort(answer.error, call)
        return answer

    def stream(raw: Any, call: grpc.ServicerContext, metadata: Mapping[str, Any]) -> Iterator[Any]:
        try:
            yield from unspan(within(raw, Shown(call, metadata)))
        except Exception as error:  # noqa: BLE001 - this is where every failure gets its reason
            abort(error, call)

    return stream if method.server_streaming else unary


def _work(method: Method, call: grpc.ServicerContext, header: str, began: float) -> Inbound:
    left = call.time_remaining()
    return Inbound(
        name=method.path,
        calls=method.calls,
        deadline=began + (method.deadline if left is None else min(method.deadline, left)),
        method=method,
        traceparent=header,
        is_active=call.is_active,
    )


_KINDS = {
    (False, False): "unary_unary",
    (False, True): "unary_stream",
    (True, False): "stream_unary",
    (True, True): "stream_stream",
}
