"""What is kept of traces."""

from __future__ import annotations

from typing import Any

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


def test_a_span_comes_with_its_reason_its_replica_and_what_happened_in_it() -> None:
    store = SpanStore()
    sent = batch(1, spans=1)
    sent.resource.attributes.append(text("service.instance.id", "records-2"))
    span = sent.scope_spans[0].spans[0]
    span.attributes.extend(
        [text("plexus.error.reason", "SLOT_TAKEN"), text("plexus.error.domain", "x.plexus")]
    )
    span.links.add(trace_id=b"\x0a" * 16, span_id=b"\x0b" * 8)
    span.events.add(name="later", time_unix_nano=9)
    span.events.add(name="plexus.degraded", time_unix_nano=7, attributes=[text("why", "x")])
    store.add([sent])
    (found,) = store.trace(trace_id(1))
    assert (found.reason, found.domain, found.replica) == ("SLOT_TAKEN", "x.plexus", "records-2")
    assert [event.name for event in found.events] == ["plexus.degraded", "later"]
    assert [(each.key, each.value) for each in found.events[0].attributes] == [("why", "x")]
    assert [(link.trace_id, link.span_id) for link in found.links] == [("0a" * 16, "0b" * 8)]
    assert store.followed_by("0a" * 16) == [trace_id(1)]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({}, [4, 3, 2, 1]),
        ({"limit": 2}, [4, 3]),
        ({"errors": True}, [4, 2]),
        ({"service": "billing"}, [3]),
        ({"seconds": 3e-9}, [4, 2]),
        ({"errors": True, "service": "billing"}, []),
    ],
    ids=str,
)
def test_the_last_traces_are_found_by_failure_service_and_duration(
    wanted: dict[str, Any], numbers: list[int]
) -> None:
    store = SpanStore()
    store.add([batch(1, spans=1), failing(batch(2, spans=3)), batch(3, 1, "billing")])
    store.add([failing(batch(4, spans=3))])
    found = store.find(**wanted)
    assert [summary.trace_id for summary in found] == [trace_id(number) for number in numbers]


def test_a_trace_is_summed_up_by_its_root_its_services_and_its_deepest_reason() -> None:
    store = SpanStore()
    outer, inner = batch(1, spans=2, service="triage"), batch(1, spans=0, service="records")
    first, second = sorted(outer.scope_spans[0].spans, key=lambda span: span.start_time_unix_nano)
    second.parent_span_id = first.span_id
    deep = inner.scope_spans[0].spans.add(
        trace_id=first.trace_id, span_id=b"d" * 8, parent_span_id=second.span_id
    )
    deep.start_time_unix_nano, deep.end_time_unix_nano = 5, 9
    for span, reason in ((second, "DEPENDENCY_UNAVAILABLE"), (deep, "STORE_UNAVAILABLE")):
        span.status.code = trace_pb2.Status.STATUS_CODE_ERROR
        span.attributes.append(text("plexus.error.reason", reason))
    store.add([inner, outer])
    (summary,) = store.find()
    assert (summary.root, summary.status) == (first.name.lstrip("/"), "OK")
    assert (list(summary.services), summary.spans) == (["triage", "records"], 3)
    assert (summary.reason, summary.duration.ToNanoseconds()) == ("STORE_UNAVAILABLE", 8)


def failing(sent: trace_pb2.ResourceSpans) -> trace_pb2.ResourceSpans:
    """The batch, with one span failed."""
    sent.scope_spans[0].spans[0].status.code = trace_pb2.Status.STATUS_CODE_ERROR
    return sent


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


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
