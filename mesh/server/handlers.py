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
from plexus.client.traceparent import SAMPLED, TRACEPARENT, chosen, new_header, shape
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
    """The stack around *handler*, as gRPC calls it: `(bytes, context)`."""
    handle = compose(method, parts, handler)
    sampling, slow = parts.sampling, method.deadline * meaning.SLOW_SHARE
    monotonic = time.monotonic

    @cache
    def spanned() -> Any:
        return _sampled(method, handle, _kind(method))

    # What follows is in one piece, and twice: each step of its own costs a quick call a microsecond.
    def unary(raw: Any, call: grpc.ServicerContext) -> Any:
        metadata = dict(call.invocation_metadata() or ())
        header: Any = metadata.get(TRACEPARENT)
        if header is None or shape(header) is None:
            # Nobody upstream has decided: this is where the trace begins.
            header = "" if chosen(sampling) else new_header()
        if not header or header[-1] in SAMPLED:
            return spanned()(raw, call, metadata)
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

    def stream(raw: Any, call: grpc.ServicerContext) -> Iterator[Any]:
        metadata = dict(call.invocation_metadata() or ())
        header: Any = metadata.get(TRACEPARENT)
        if header is None or shape(header) is None:
            header = "" if chosen(sampling) else new_header()
        if not header or header[-1] in SAMPLED:
            yield from spanned()(raw, call, metadata)
            return
        began = monotonic()
        incoming = Incoming(
            raw=raw, context=call, metadata=metadata, work=_work(method, call, header, began)
        )
        try:
            yield from handle(incoming)
        except Exception as error:  # noqa: BLE001 - as above
            leave(method, incoming, began, error, slow=False)
            abort(error, call)

    return stream if method.server_streaming else unary


def _handler(method: Method, handler: Any, parts: Parts) -> grpc.RpcMethodHandler[Any, Any]:
    make = getattr(grpc, f"{_kind(method)}_rpc_method_handler")
    made: grpc.RpcMethodHandler[Any, Any] = make(
        behaviour(method, handler, parts),
        # The stack reads the request itself, after it has found out who asks.
        request_deserializer=None,
        response_serializer=lambda message: message.SerializeToString(),
    )
    return made


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


def _kind(method: Method) -> str:
    return (
        f"{'stream' if method.client_streaming else 'unary'}_"
        f"{'stream' if method.server_streaming else 'unary'}"
    )
