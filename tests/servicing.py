"""Calls a servicer through the server stack by grpcio-testing, as a typed client would."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc
import grpc_testing
from google.protobuf.descriptor import ServiceDescriptor

from mesh.server import wrap
from plexus.errors import PlexusError, from_rpc


class _Failed(grpc.RpcError):
    """What a real client would have been given."""

    def __init__(self, code: grpc.StatusCode, details: str, trailing: Any) -> None:
        self._code, self._details, self._trailing = code, details, trailing

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> Any:
        return self._trailing


class Server:
    """A servicer to call. Raises the typed errors of `plexus.errors`."""

    def __init__(
        self, descriptor: ServiceDescriptor, servicer: object, caller: str = "edge"
    ) -> None:
        self._descriptor = descriptor
        self._server = grpc_testing.server_from_dictionary(
            {descriptor: wrap(servicer, descriptor, caller)}, grpc_testing.strict_real_time()
        )

    def call(self, method: str, request: Any, timeout: float | None = 10.0) -> Any:
        """The response to one request."""
        rpc = self._server.invoke_unary_unary(
            self._descriptor.methods_by_name[method], (), request, timeout
        )
        return _returned(rpc.termination())

    def upload(self, method: str, requests: Iterable[Any], timeout: float | None = 10.0) -> Any:
        """The response to a stream of requests."""
        rpc = self._server.invoke_stream_unary(
            self._descriptor.methods_by_name[method], (), timeout
        )
        for request in requests:
            rpc.send_request(request)
        rpc.requests_closed()
        return _returned(rpc.termination())

    def stream(self, method: str, request: Any, count: int, timeout: float | None = 10.0) -> Any:
        """The first *count* responses of a stream, which is then cancelled."""
        rpc = self._server.invoke_unary_stream(
            self._descriptor.methods_by_name[method], (), request, timeout
        )
        responses = [rpc.take_response() for _ in range(count)]
        rpc.cancel()
        return responses

    def all(self, method: str, request: Any, count: int, timeout: float | None = 10.0) -> Any:
        """Every response of a stream that ends by itself, *count* of them, or its typed failure."""
        rpc = self._server.invoke_unary_stream(
            self._descriptor.methods_by_name[method], (), request, timeout
        )
        responses = [rpc.take_response() for _ in range(count)]
        trailing, code, details = rpc.termination()
        _returned((None, trailing, code, details))
        return responses


def _returned(termination: Any) -> Any:
    response, trailing, code, details = termination
    if code is grpc.StatusCode.OK:
        return response
    failure: PlexusError = from_rpc(_Failed(code, details, trailing))
    raise failure
