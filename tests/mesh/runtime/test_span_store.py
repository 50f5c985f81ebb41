"""What is kept of traces."""

from __future__ import annotations

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from mesh.runtime.spans import SpanStore


def test_the_first_traces_are_forgotten_whole() -> None:
    store = SpanStore(limit=5)
    for trace in range(3):
        store.add([batch(trace, spans=2)])
    assert [len(store.trace(trace_id(trace))) for trace in range(3)] == [0, 2, 2]
    assert len(store) == 4


@pytest.mark.parametrize(
    ("attribute", "failed", "status"),
    [
        (KeyValue(key="rpc.grpc.status_code", value=AnyValue(int_value=0)), False, "OK"),
        (KeyValue(key="rpc.grpc.status_code", value=AnyValue(int_value=14)), True, "UNAVAILABLE"),
        (
            KeyValue(key="rpc.response.status_code", value=AnyValue(string_value="NOT_FOUND")),
            True,
            "NOT_FOUND",
        ),
        (KeyValue(key="other", value=AnyValue(string_value="x")), False, "OK"),
        (KeyValue(key="other", value=AnyValue(string_value="x")), True, "UNKNOWN"),
    ],
)
def test_a_span_tells_how_its_call_ended(attribute: KeyValue, failed: bool, status: str) -> None:
    store = SpanStore()
    ended = batch(1, spans=1)
    span = ended.scope_spans[0].spans[0]
    span.attributes.append(attribute)
    if failed:
        span.status.code = trace_pb2.Status.STATUS_CODE_ERROR
    store.add([ended])
    assert [found.status for found in store.trace(trace_id(1))] == [status]


def test_spans_come_by_start_time_with_their_service_and_method() -> None:
    store = SpanStore()
    store.add([batch(1, spans=3, service="records")])
    found = store.trace(trace_id(1))
    assert [span.start_time.ToNanoseconds() for span in found] == [1, 2, 3]
    assert {(span.service, span.name, span.kind) for span in found} == {
        ("records", "plexus.records.v1.RecordsService/GetPatient", "server")
    }


def trace_id(number: int) -> str:
    return f"{number:032x}"


def batch(number: int, spans: int, service: str = "records") -> trace_pb2.ResourceSpans:
    made = trace_pb2.ResourceSpans()
    made.resource.attributes.append(
        KeyValue(key="service.name", value=AnyValue(string_value=service))
    )
    scope = made.scope_spans.add()
    for start in range(spans, 0, -1):
        scope.spans.add(
            trace_id=bytes.fromhex(trace_id(number)),
            span_id=start.to_bytes(8, "big"),
            name="/plexus.records.v1.RecordsService/GetPatient",
            kind=trace_pb2.Span.SPAN_KIND_SERVER,
            start_time_unix_nano=start,
            end_time_unix_nano=start + 1,
        )
    return made
