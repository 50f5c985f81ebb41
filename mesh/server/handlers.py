"""gRPC's handlers for a servicer: bytes in, the stack, messages out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from opentelemetry import trace

from mesh.server.faults import abort
from mesh.server.incoming import Handle, Incoming, Parts
from mesh.server.stack import compose
from observability.tracing import parse
from plexus.client import Inbound
from plexus.client.trace import TRACEPARENT, context
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
    return _behaviour(method, compose(method, parts, handler), sampled=False)


def _handler(method: Method, handler: Any, parts: Parts) -> grpc.RpcMethodHandler[Any, Any]:
    handle = compose(method, parts, handler)
    plain = _behaviour(method, handle, sampled=False)
    sampled = _behaviour(method, handle, sampled=True)
    kind = _KINDS[method.client_streaming, method.server_streaming]

    @cache
    def traced() -> Any:
        return _instrumented(method, kind, sampled)

    def choose(raw: Any, call: grpc.ServicerContext) -> Any:
        return (traced() if _is_sampled(call, parts.sampling) else plain)(raw, call)

    make = getattr(grpc, f"{kind}_rpc_method_handler")
    made: grpc.RpcMethodHandler[Any, Any] = make(
        choose,
        # The stack reads the request itself, after it has found out who asks.
        request_deserializer=None,
        response_serializer=lambda message: message.SerializeToString(),
    )
    return made


def _behaviour(method: Method, handle: Handle, *, sampled: bool) -> Any:
    def unary(raw: Any, call: grpc.ServicerContext) -> Any:
        try:
            return handle(_incoming(method, raw, call, sampled))
        except Exception as error:  # noqa: BLE001 - this is where every failure gets its reason
            abort(error, call)

    def stream(raw: Any, call: grpc.ServicerContext) -> Iterator[Any]:
        try:
            yield from handle(_incoming(method, raw, call, sampled))
        except Exception as error:  # noqa: BLE001 - as above
            abort(error, call)

    return stream if method.server_streaming else unary


def _incoming(method: Method, raw: Any, call: grpc.ServicerContext, sampled: bool) -> Incoming:
    metadata = _metadata(call)
    left = call.time_remaining()
    longest = method.deadline if left is None else min(method.deadline, left)
    work = Inbound(
        name=method.path,
        calls=method.calls,
        deadline=time.monotonic() + longest,
        method=method,
        traceparent=_current() if sampled else metadata.get(TRACEPARENT) or context(0.0)[1],
        sampled=sampled,
        is_active=call.is_active,
    )
    return Incoming(raw=raw, context=call, metadata=metadata, work=work)


def _metadata(call: grpc.ServicerContext) -> Mapping[str, Any]:
    return dict(call.invocation_metadata() or ())


def _is_sampled(call: grpc.ServicerContext, sampling: float) -> bool:
    for key, value in call.invocation_metadata() or ():
        if key == TRACEPARENT:
            return parse(str(value))[1]
    # Nobody upstream decided: this is where the trace begins.
    return context(sampling)[0]


def _current() -> str:
    span = trace.get_current_span().get_span_context()
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-01"


def _instrumented(method: Method, kind: str, sampled: Any) -> Any:
    # Imported for the first sampled call: a process that never samples never pays for it.
    from opentelemetry.instrumentation import grpc as instrumentation

    make: Any = instrumentation.server_interceptor
    handler = getattr(grpc, f"{kind}_rpc_method_handler")(sampled)
    details = SimpleNamespace(method=method.wire_path)
    wrapped = make().intercept_service(lambda _: handler, details)
    return getattr(wrapped, kind)


_KINDS = {
    (False, False): "unary_unary",
    (False, True): "unary_stream",
    (True, False): "stream_unary",
    (True, True): "stream_stream",
}
