"""Who may use what is not in a contract: health, reflection, channelz. All else is refused alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import grpc

from mesh.server.faults import abort
from plexus.errors import Fault
from plexus.type.v1.errors_pb2 import PlatformError

Admit = Callable[[grpc.ServicerContext], bool]


class Guarded(grpc.GenericRpcHandler):
    """Handlers that only admitted callers reach."""

    def __init__(self, inner: grpc.GenericRpcHandler, admit: Admit) -> None:
        self._inner = inner
        self._admit = admit

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The handler of the method, guarded; None when it is not one of these."""
        handler = self._inner.service(handler_call_details)
        return _guard(handler, self._admit) if handler else None


class Refusal(grpc.GenericRpcHandler):
    """The last handler: a method that does not exist is refused like one that may not be called."""

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """A handler that refuses."""
        del handler_call_details
        return grpc.stream_stream_rpc_method_handler(lambda _, context: _refuse(context))


class Capture:
    """Stands in for a server while `add_…Servicer_to_server` registers handlers."""

    def __init__(self) -> None:
        self.handlers: list[grpc.GenericRpcHandler] = []

    def add_generic_rpc_handlers(
        self, generic_rpc_handlers: Sequence[grpc.GenericRpcHandler]
    ) -> None:
        """Keep the handlers."""
        self.handlers.extend(generic_rpc_handlers)

    def add_registered_method_handlers(self, service_name: str, method_handlers: Any) -> None:
        """Nothing: registered handlers would pass the guard by."""


def _guard(
    handler: grpc.RpcMethodHandler[Any, Any], admit: Admit
) -> grpc.RpcMethodHandler[Any, Any]:
    kind = (
        f"{'stream' if handler.request_streaming else 'unary'}_"
        f"{'stream' if handler.response_streaming else 'unary'}"
    )
    behaviour = getattr(handler, kind)

    def guarded(request: Any, context: grpc.ServicerContext) -> Any:
        return behaviour(request, context) if admit(context) else _refuse(context)

    make = getattr(grpc, f"{kind}_rpc_method_handler")
    made: grpc.RpcMethodHandler[Any, Any] = make(
        guarded,
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )
    return made


def _refuse(context: grpc.ServicerContext) -> Any:
    abort(Fault(PlatformError, PlatformError.PLATFORM_ERROR_CALLER_NOT_ALLOWED), context)
