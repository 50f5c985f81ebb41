"""Passes spans on, to Jaeger or wherever else, for as long as that keeps up."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

LARGEST_WAIT: Final = 16 * 1024 * 1024
"""Bytes of spans that wait at most. What comes on top of that is dropped."""

_EXPORT_SECONDS = 2.0
_CLOSE_SECONDS = 2.0
_OPTIONS = (
    # Back within a second when whoever takes the spans is back.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),
)


class Forward:
    """Sends what it is given to *target*, a gRPC target, one batch at a time and in order.

    `offer` never waits and never fails: a target that is slow, hangs or is gone costs spans, whose
    number of batches `dropped` counts, and at most *largest* bytes of memory.
    """

    def __init__(self, target: str, largest: int = LARGEST_WAIT) -> None:
        self.dropped = 0
        self._largest = largest
        self._waiting: deque[trace_service_pb2.ExportTraceServiceRequest] = deque()
        self._bytes = 0
        self._closed = False
        self._changed = threading.Condition()
        self._channel = grpc.insecure_channel(target, options=_OPTIONS)
        self._stub = trace_service_pb2_grpc.TraceServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._thread = threading.Thread(target=self._send, name="forward", daemon=True)
        self._thread.start()

    def offer(self, batch: trace_service_pb2.ExportTraceServiceRequest) -> None:
        """Send *batch* on later; dropped when too much waits already."""
        size = batch.ByteSize()
        with self._changed:
            if self._closed or self._bytes + size > self._largest:
                self.dropped += 1
                return
            self._waiting.append(batch)
            self._bytes += size
            self._changed.notify()

    def close(self) -> None:
        """Send what waits, for at most two seconds, and be done."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(_CLOSE_SECONDS)
        self._channel.close()

    def _send(self) -> None:
        while (batch := self._next()) is not None:
            try:
                self._stub.Export(batch, timeout=_EXPORT_SECONDS, wait_for_ready=True)
            except (grpc.RpcError, ValueError):
                # ValueError is what a closed channel raises.
                self.dropped += 1
            with self._changed:
                self._bytes -= batch.ByteSize()

    def _next(self) -> trace_service_pb2.ExportTraceServiceRequest | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return self._waiting.popleft() if self._waiting else None
