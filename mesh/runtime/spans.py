"""The spans of the last traces, in memory, for `plexus trace`. Jaeger is for more than that."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1 import trace_pb2

from mesh.runtime.forward import Forward
from plexus.client.spans import DOMAIN, REASON
from plexus.errors import status_code
from plexus.mesh.v1 import runtime_service_pb2 as runtime

LIMIT = 20_000
LISTED = 20

_KINDS = {
    trace_pb2.Span.SPAN_KIND_CLIENT: "client",
    trace_pb2.Span.SPAN_KIND_SERVER: "server",
    trace_pb2.Span.SPAN_KIND_CONSUMER: "consumer",
}
# The names that OpenTelemetry's semantic conventions gave the status, old and new.
_STATUS_KEYS = ("rpc.response.status_code", "rpc.grpc.status_code")
_DEEPEST: Final = 100


class Made(NamedTuple):
    """A span, and who made it: a service, and which of its processes."""

    service: str
    replica: str
    span: trace_pb2.Span


class SpanStore:
    """At most *limit* spans; the traces begun first are forgotten first, whole."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._traces: OrderedDict[bytes, list[Made]] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._count

    def add(self, batches: Iterable[trace_pb2.ResourceSpans]) -> None:
        """Keep the spans of *batches*."""
        with self._lock:
            for batch in batches:
                service = _attribute(batch.resource.attributes, "service.name")
                replica = _attribute(batch.resource.attributes, "service.instance.id")
                for scope in batch.scope_spans:
                    for span in scope.spans:
                        made = Made(service, replica, span)
                        self._traces.setdefault(span.trace_id, []).append(made)
                        self._count += 1
            while self._count > self._limit:
                _, forgotten = self._traces.popitem(last=False)
                self._count -= len(forgotten)

    def trace(self, trace_id: str) -> list[runtime.Span]:
        """The spans of a trace by start time; empty when none was kept."""
        with self._lock:
            found = list(self._traces.get(bytes.fromhex(trace_id), ()))
        return [_span(made) for made in _in_order(found)]

    def followed_by(self, trace_id: str) -> list[str]:
        """The traces with a link to that one, in the order in which they began."""
        wanted = bytes.fromhex(trace_id)
        with self._lock:
            kept = [(trace, tuple(spans)) for trace, spans in self._traces.items()]
        return [
            trace.hex()
            for trace, spans in kept
            if any(link.trace_id == wanted for made in spans for link in made.span.links)
        ]

    def find(
        self,
        *,
        errors: bool = False,
        service: str = "",
        seconds: float = 0.0,
        limit: int = LISTED,
    ) -> list[runtime.TraceSummary]:
        """The last traces, the newest first: with *errors* those in which something failed, of those
        that *service* took part in, that took at least so many *seconds*."""
        with self._lock:
            kept = [(trace_id, tuple(spans)) for trace_id, spans in self._traces.items()]
        wanted = (
            _summary(trace_id, _in_order(spans))
            for trace_id, spans in reversed(kept)
            if (not errors or any(map(has_failed, spans)))
            and (not service or any(made.service == service for made in spans))
            and _nanoseconds(spans) >= seconds * 1e9
        )
        return list(islice(wanted, limit))


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


def has_failed(made: Made) -> bool:
    """Whether a span ended with anything but OK. What its own caller called off has not failed."""
    return _status(made.span) not in ("OK", "CANCELLED")


def _in_order(spans: Iterable[Made]) -> list[Made]:
    return sorted(spans, key=lambda made: made.span.start_time_unix_nano)


def _nanoseconds(spans: Sequence[Made]) -> int:
    end = max(made.span.end_time_unix_nano for made in spans)
    return end - min(made.span.start_time_unix_nano for made in spans)


def _summary(trace_id: bytes, spans: Sequence[Made]) -> runtime.TraceSummary:
    known = {made.span.span_id for made in spans}
    root = next((made for made in spans if made.span.parent_span_id not in known), spans[0]).span
    told = runtime.TraceSummary(
        trace_id=trace_id.hex(),
        root=root.name.lstrip("/"),
        services=dict.fromkeys(made.service for made in spans),
        spans=len(spans),
        status=_status(root),
        reason=_deepest_reason(spans),
    )
    told.start_time.FromNanoseconds(spans[0].span.start_time_unix_nano)
    told.duration.FromNanoseconds(_nanoseconds(spans))
    return told


def _deepest_reason(spans: Sequence[Made]) -> str:
    parents = {made.span.span_id: made.span.parent_span_id for made in spans}
    failed = [made.span for made in spans if has_failed(made)]
    if not failed:
        return ""
    deepest = max(failed, key=lambda span: sum(1 for _ in _above(span.span_id, parents)))
    return _attribute(deepest.attributes, REASON) or _status(deepest)


def _above(span_id: bytes, parents: dict[bytes, bytes]) -> Iterator[bytes]:
    # What others send may name itself as its parent.
    for _ in range(_DEEPEST):
        if span_id not in parents:
            return
        span_id = parents[span_id]
        yield span_id


def _span(made: Made) -> runtime.Span:
    span = made.span
    told = runtime.Span(
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex(),
        service=made.service,
        replica=made.replica,
        name=span.name.lstrip("/"),
        kind=_KINDS.get(span.kind, "internal"),
        status=_status(span),
        reason=_attribute(span.attributes, REASON),
        domain=_attribute(span.attributes, DOMAIN),
        attributes=_told(span.attributes),
        links=[
            runtime.SpanLink(trace_id=link.trace_id.hex(), span_id=link.span_id.hex())
            for link in span.links
        ],
    )
    told.start_time.FromNanoseconds(span.start_time_unix_nano)
    told.end_time.FromNanoseconds(span.end_time_unix_nano)
    for event in sorted(span.events, key=lambda event: event.time_unix_nano):
        happened = told.events.add(name=event.name, attributes=_told(event.attributes))
        happened.time.FromNanoseconds(event.time_unix_nano)
    return told


def _status(span: trace_pb2.Span) -> str:
    failed = "UNKNOWN" if span.status.code == trace_pb2.Status.STATUS_CODE_ERROR else "OK"
    for key in _STATUS_KEYS:
        if stated := _attribute(span.attributes, key):
            told = status_code(int(stated)).name if stated.isdecimal() else stated
            # The instrumentation says OK when it begins.
            return failed if told == "OK" else told
    return failed


def _told(attributes: Iterable[Any]) -> list[runtime.SpanAttribute]:
    return [runtime.SpanAttribute(key=each.key, value=_text(each.value)) for each in attributes]


def _attribute(attributes: Iterable[Any], key: str) -> str:
    for attribute in attributes:
        if attribute.key == key:
            return _text(attribute.value)
    return ""


def _text(value: Any) -> str:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return ", ".join(map(_text, value.array_value.values))
    return str(getattr(value, kind)) if kind else ""
