"""Reads every span on its way to the platform's store, whole, and passes it on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp

EXPORT: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_PATIENCE: Final = 5.0


class Tap(grpc.GenericRpcHandler):
    """What OTLP's TraceService is asked to take, in bytes."""

    def __init__(self, store: Path) -> None:
        self._store = grpc.insecure_channel(f"unix:{store}")
        self._onward: Any = self._store.unary_unary(EXPORT)
        self._lock = threading.Lock()
        self.batches: list[bytes] = []

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """The handler of Export; every other method is unknown."""
        if handler_call_details.method != EXPORT:
            return None
        return grpc.unary_unary_rpc_method_handler(self._take)

    def close(self) -> None:
        """Pass nothing on any more."""
        self._store.close()

    def traces(self) -> dict[str, int]:
        """How many spans each trace has, by its id."""
        found: dict[str, int] = {}
        for batch in tuple(self.batches):
            for resource in otlp.ExportTraceServiceRequest.FromString(batch).resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        found[span.trace_id.hex()] = found.get(span.trace_id.hex(), 0) + 1
        return found

    def names(self) -> dict[str, int]:
        """How many spans have each name."""
        found: dict[str, int] = {}
        for batch in tuple(self.batches):
            for resource in otlp.ExportTraceServiceRequest.FromString(batch).resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        found[span.name] = found.get(span.name, 0) + 1
        return found

    def _take(self, content: bytes, context: grpc.ServicerContext) -> bytes:
        del context
        with self._lock:
            self.batches.append(content)
        answer: bytes = self._onward(content, timeout=_PATIENCE, wait_for_ready=True)
        return answer


@contextmanager
def tapped(place: Path, store: Path) -> Iterator[Tap]:
    """A tap at the socket *place*, before the store at *store*."""
    tap = Tap(store)
    server = grpc.server(ThreadPoolExecutor(8, thread_name_prefix="tap"))
    server.add_generic_rpc_handlers((tap,))
    server.add_insecure_port(f"unix:{place}")
    server.start()
    try:
        yield tap
    finally:
        server.stop(0.2).wait()
        tap.close()
