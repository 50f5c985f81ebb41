"""The spans of the last traces, in memory, for `plexus trace`. Jaeger is for more than that."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1 import trace_pb2

from mesh.runtime.forward import Forward
from plexus.errors import status_code
from plexus.mesh.v1 import runtime_service_pb2 as runtime

LIMIT = 20_000

_KINDS = {
    trace_pb2.Span.SPAN_KIND_CLIENT: "client",
    trace_pb2.Span.SPAN_KIND_SERVER: "server",
}
# The names that OpenTelemetry's semantic conventions gave the status, old and new.
_STATUS_KEYS = ("rpc.response.status_code", "rpc.grpc.status_code")


class SpanStore:
    """At most *limit* spans; the traces begun first are forgotten first, whole."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._traces: OrderedDict[bytes, list[tuple[str, trace_pb2.Span]]] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._count

    def add(self, batches: Iterable[trace_pb2.ResourceSpans]) -> None:
        """Keep the spans of *batches*."""
        with self._lock:
            for batch in batches:
                service = _attribute(batch.resource.attributes, "service.name")
                for scope in batch.scope_spans:
                    for span in scope.spans:
                        self._traces.setdefault(span.trace_id, []).append((service, span))
                        self._count += 1
            while self._count > self._limit:
                _, forgotten = self._traces.popitem(last=False)
                self._count -= len(forgotten)

    def trace(self, trace_id: str) -> list[runtime.Span]:
        """The spans of a trace by start time; empty when none was kept."""
        with self._lock:
            found = list(self._traces.get(bytes.fromhex(trace_id), ()))
        found.sort(key=lambda kept: kept[1].start_time_unix_nano)
        return [_span(service, span) for service, span in found]


class SpanReceiver(trace_service_pb2_grpc.TraceServiceServicer):
    """OTLP's TraceService over a store. What comes in is offered to *forwards* too."""

    def __init__(self, store: SpanStore, forwards: Sequence[Forward] = ()) -> None:
        self._store = store
        self._forwards = forwards

    def Export(
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        """Take spans in."""
        del context
        self._store.add(request.resource_spans)
        for forward in self._forwards:
            forward.offer(request)
        return trace_service_pb2.ExportTraceServiceResponse()


def _span(service: str, span: trace_pb2.Span) -> runtime.Span:
    told = runtime.Span(
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex(),
        service=service,
        name=span.name.lstrip("/"),
        kind=_KINDS.get(span.kind, "internal"),
        status=_status(span),
    )
    told.start_time.FromNanoseconds(span.start_time_unix_nano)
    told.end_time.FromNanoseconds(span.end_time_unix_nano)
    return told


def _status(span: trace_pb2.Span) -> str:
    for key in _STATUS_KEYS:
        if stated := _attribute(span.attributes, key):
            return status_code(int(stated)).name if stated.isdecimal() else stated
    failed = span.status.code == trace_pb2.Status.STATUS_CODE_ERROR
    return "UNKNOWN" if failed else "OK"


def _attribute(attributes: Iterable[Any], key: str) -> str:
    for attribute in attributes:
        if attribute.key == key:
            value = attribute.value
            kind = value.WhichOneof("value")
            return str(getattr(value, kind)) if kind else ""
    return ""
