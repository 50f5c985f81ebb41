"""Reads every span, whole, as the platform passes it on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp

EXPORT: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class Tap(grpc.GenericRpcHandler):
    """What OTLP's TraceService is asked to take, in bytes."""

    def __init__(self) -> None:
        self.batches: list[bytes] = []

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """The handler of Export; every other method is unknown."""
        if handler_call_details.method != EXPORT:
            return None
        return grpc.unary_unary_rpc_method_handler(self._take)

    def traces(self) -> dict[str, int]:
        """How many spans each trace has, by its id."""
        found: dict[str, int] = {}
        for batch in tuple(self.batches):
            for resource in otlp.ExportTraceServiceRequest.FromString(batch).resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        found[span.trace_id.hex()] = found.get(span.trace_id.hex(), 0) + 1
        return found

    def _take(self, content: bytes, context: grpc.ServicerContext) -> bytes:
        del context
        self.batches.append(content)
        return b""


@contextmanager
def tapped(place: Path) -> Iterator[Tap]:
    """A tap at the socket *place*."""
    tap = Tap()
    server = grpc.server(ThreadPoolExecutor(8, thread_name_prefix="tap"))
    server.add_generic_rpc_handlers((tap,))
    server.add_insecure_port(f"unix:{place}")
    server.start()
    try:
        yield tap
    finally:
        server.stop(0.2).wait()
