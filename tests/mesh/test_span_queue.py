"""Spans on their way out: whatever becomes of the receiver, nobody waits and little is kept."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    add_TraceServiceServicer_to_server,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from mesh.runtime.spans import SpanReceiver, SpanStore
from observability.tracing.queue import SpanQueue
from observability.tracing.spans import Maker, Provider

SECRET = "Zebulon"
RESOURCE = Resource({"service.name": "records", "service.instance.id": "records-1"})


def maker(queue: SpanQueue) -> Maker:
    return Provider(queue, RESOURCE).get_tracer("test")


@contextmanager
def hanging() -> Iterator[str]:
    """A listener that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def gone() -> Iterator[str]:
    """A port on which nobody listens any more."""
    with hanging() as target:
        pass
    yield target


@contextmanager
def no_socket() -> Iterator[str]:
    """A Unix socket that was never made."""
    yield "unix:/nonexistent/traces.sock"


@pytest.mark.parametrize("receiver", [hanging, gone, no_socket])
def test_with_a_receiver_that_is_gone_or_hangs_so_many_spans_wait_and_no_more(
    receiver: object,
) -> None:
    with receiver() as target:  # type: ignore[operator]
        exporter = OTLPSpanExporter(endpoint=target, insecure=True, timeout=1)
        queue = SpanQueue(exporter, most=100, batch=10, pause=0.001)
        spans = maker(queue)
        for _ in range(1000):
            spans.start_span("call").end()
            assert len(queue) <= 100
        # All of them are accounted for: they wait, are being sent, or were lost.
        assert queue.lost >= 1000 - 100 - 10
        assert not queue.force_flush(10)
        queue.shutdown()


class Gated(SpanExporter):
    """Takes spans in when it is let go."""

    def __init__(self) -> None:
        self.gate, self.entered = threading.Event(), threading.Event()
        self.batches: list[int] = []
        self.outcome = SpanExportResult.SUCCESS

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.entered.set()
        self.gate.wait(10)
        self.batches.append(len(spans))
        return self.outcome


def test_the_latest_spans_are_sent_when_the_receiver_is_back() -> None:
    exporter = Gated()
    queue = SpanQueue(exporter, most=20, batch=10, pause=0.001)
    spans = maker(queue)
    spans.start_span("first").end()
    assert exporter.entered.wait(5)
    for _ in range(50):
        spans.start_span("call").end()
    assert (len(queue), queue.lost) == (20, 30)
    exporter.gate.set()
    assert queue.force_flush(5_000)
    assert exporter.batches == [1, 10, 10]
    queue.shutdown()


def test_an_outage_of_the_receiver_is_told_once_and_its_end_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    exporter = Gated()
    exporter.gate.set()
    exporter.outcome = SpanExportResult.FAILURE
    queue = SpanQueue(exporter, pause=0.001)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            maker(queue).start_span("call").end()
            assert queue.force_flush(5_000)
        exporter.outcome = SpanExportResult.SUCCESS
        maker(queue).start_span("call").end()
        assert queue.force_flush(5_000)
    told = [record.getMessage() for record in caplog.records]
    assert [line.split(";")[0] for line in told] == [
        "spans cannot be sent",
        "spans are sent again",
    ]
    assert queue.lost == 3
    queue.shutdown()


def test_an_exception_shows_its_kind_and_an_ended_span_hears_no_more() -> None:
    exporter = Gated()
    queue = SpanQueue(exporter)
    with suppress(LookupError), maker(queue).start_as_current_span("call") as span:
        span.record_exception(ValueError(SECRET))
        raise LookupError(SECRET)
    span.set_attribute("late", 1)
    span.add_event("late")
    span.set_status(trace.StatusCode.OK)
    assert SECRET not in span.to_json()
    assert (span.status.status_code, span.status.description) == (
        trace.StatusCode.ERROR,
        "LookupError",
    )
    assert dict(span.attributes or {}) == {}
    assert [dict(event.attributes or {}) for event in span.events] == [
        {"exception.type": "ValueError"}
    ]
    exporter.gate.set()
    queue.shutdown()


def test_what_is_sent_by_otlp_arrives_whole() -> None:
    store = SpanStore()
    server = grpc.server(ThreadPoolExecutor(2))
    register: object = add_TraceServiceServicer_to_server
    register(SpanReceiver(store), server)  # type: ignore[operator]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    exporter = OTLPSpanExporter(endpoint=f"127.0.0.1:{port}", insecure=True, timeout=5)
    queue = SpanQueue(exporter, pause=0.001)
    spans = maker(queue)
    cause = trace.SpanContext(7, 8, is_remote=True, trace_flags=trace.TraceFlags(1))
    with spans.start_as_current_span("outer", kind=trace.SpanKind.SERVER) as outer:
        with spans.start_as_current_span("inner", links=[trace.Link(cause)]) as inner:
            inner.add_event("plexus.degraded", {"plexus.effect": "none"})
            inner.set_attribute("plexus.attempt", 2)
    assert queue.force_flush(5_000)
    found = store.trace(f"{outer.get_span_context().trace_id:032x}")
    assert [(span.name, span.kind, span.replica) for span in found] == [
        ("outer", "server", "records-1"),
        ("inner", "internal", "records-1"),
    ]
    assert found[1].parent_span_id == found[0].span_id
    assert [link.trace_id for link in found[1].links] == [f"{7:032x}"]
    assert [(e.name, e.attributes[0].value) for e in found[1].events] == [
        ("plexus.degraded", "none")
    ]
    assert [(a.key, a.value) for a in found[1].attributes] == [("plexus.attempt", "2")]
    queue.shutdown()
    server.stop(0).wait()
