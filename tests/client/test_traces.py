"""What a caller's trace shows of a call: what became of it, and everything the stack did about it."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import grpc
import pytest
from opentelemetry import trace as otel
from opentelemetry.trace import SpanKind, StatusCode

from plexus.client import Channel, Tuning, channel, traceparent, working
from plexus.client.attempts import NUMBER, OUTCOME
from plexus.client.spans import DEPENDENCY, DOMAIN, REASON, STATUS_CODE
from plexus.errors import PlexusError
from plexus.records.v1 import records_service_pb2 as records
from tests.client.remote import (
    GET_PATIENT,
    PATIENT,
    Answer,
    empty,
    failing,
    records_of,
    remote,
)
from tests.client.test_hedge import Hanging
from tests.client.test_stack import work
from tests.listening import listening
from tests.spans import happened, id_of, parent_of, recorded, told, trace_of


def test_who_samples_nothing_loads_nothing_of_opentelemetry_but_its_context() -> None:
    code = (
        "import sys; from plexus.client import channel, spans; channel('127.0.0.1:1');"
        "spans.note('said to nobody'); print('opentelemetry.trace' in sys.modules);"
        "from plexus.client import otel; print(otel.get_current_span().is_recording());"
        "print('opentelemetry.trace' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False", "True"]


def fails(call: Callable[[], object]) -> PlexusError:
    with pytest.raises(PlexusError) as raised:
        call()
    return raised.value


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (empty, grpc.StatusCode.OK),
        (failing(grpc.StatusCode.NOT_FOUND), grpc.StatusCode.NOT_FOUND),
        (failing(grpc.StatusCode.INTERNAL), grpc.StatusCode.INTERNAL),
    ],
    ids=["ok", "refused", "broken"],
)
def test_a_sampled_call_is_a_span_that_says_how_it_ended_and_no_more(
    answer: Answer, status: grpc.StatusCode
) -> None:
    with recorded() as spans, remote(answer) as server:
        with server.channel(sampling=1.0, hedge_rivals=0) as opened, suppress(PlexusError):
            records_of(opened).GetPatient(PATIENT)
    (span,) = spans.all()
    assert (span.kind, span.name) == (SpanKind.CLIENT, f"/{GET_PATIENT}")
    assert told(span)[STATUS_CODE] == status.value[0]
    assert span.status.status_code is (StatusCode.ERROR if status.value[0] else StatusCode.UNSET)
    assert told(span).get(REASON, "OK") == status.name
    # An exception's text and stack are no part of it.
    assert happened(span) == []
    (_, trace_id, span_id, flags) = server.metadata[0]["traceparent"].split("-")
    assert (trace_id, int(span_id, 16)) == (trace_of(span), id_of(span))
    assert int(flags, 16) & 1


def test_a_breaker_shows_when_it_opens_refuses_probes_and_closes() -> None:
    answers = [failing(grpc.StatusCode.INTERNAL)] * 2 + [empty]
    with recorded() as spans, remote(lambda *call: answers.pop(0)(*call)) as server:
        with server.channel(
            sampling=1.0, hedge_rivals=0, breaker_failures=2, breaker_seconds=0.2
        ) as opened:
            stub = records_of(opened)
            for _ in range(3):
                fails(lambda: stub.GetPatient(PATIENT))
            deadline = time.monotonic() + 5
            while any(view.next_probe for view in opened.breakers()):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            stub.GetPatient(PATIENT)
    names = [[name.rpartition(".")[2] for name, _ in happened(span)] for span in spans.all()]
    assert names == [[], ["opened"], ["refused"], ["probed", "closed"]]
    refused = spans.all()[2]
    assert happened(refused)[0][1] == {DEPENDENCY: GET_PATIENT}
    assert told(refused)[REASON] == "DEPENDENCY_UNAVAILABLE"
    assert told(refused)[DOMAIN] == "plexus"
    assert told(refused)[DEPENDENCY] == GET_PATIENT


def test_a_full_bulkhead_shows_on_the_call_that_it_refuses() -> None:
    inside, release = threading.Event(), threading.Event()

    def hang(_: bytes, __: grpc.ServicerContext) -> bytes:
        inside.set()
        release.wait(10)
        return b""

    with recorded() as spans, remote(hang) as server, ThreadPoolExecutor(1) as other:
        with server.channel(sampling=1.0, bulkhead=1, hedge_rivals=0) as opened:
            stub = records_of(opened)
            held = other.submit(stub.GetPatient, PATIENT)
            assert inside.wait(5)
            fails(lambda: stub.GetPatient(PATIENT, timeout=0.01))
            release.set()
            held.result(5)
    assert happened(spans.all()[0]) == [("plexus.bulkhead.refused", {DEPENDENCY: GET_PATIENT})]


def test_each_attempt_of_a_hedged_call_is_a_span_that_says_how_it_fared() -> None:
    hanging = Hanging(attempts=2)
    with recorded() as spans, remote(hanging) as server:
        with server.channel(sampling=1.0, hedge_floor=0.01) as opened:
            records_of(opened).GetPatient(PATIENT)
            hanging.release.set()
        found = spans.await_some(3)
    call = next(span for span in found if span.name != "attempt")
    attempts = {told(span)[NUMBER]: span for span in found if span.name == "attempt"}
    assert {number: told(span)[OUTCOME] for number, span in attempts.items()} == {
        1: "cancelled",
        2: "won",
    }
    assert {parent_of(span) for span in attempts.values()} == {id_of(call)}
    # Its replica is told that the second attempt is its parent.
    parents = {metadata["traceparent"].split("-")[2] for metadata in server.metadata}
    assert parents == {f"{id_of(call):016x}", f"{id_of(attempts[2]):016x}"}


def test_an_unsampled_hedge_has_no_spans() -> None:
    hanging = Hanging(attempts=2)
    with recorded() as spans, remote(hanging) as server:
        with server.channel(sampling=0.0, hedge_floor=0.01, slow_share=2.0) as opened:
            records_of(opened).GetPatient(PATIENT)
            hanging.release.set()
    assert spans.all() == ()


@contextmanager
def feed(answers: Callable[[], Iterator[bytes]], **tuning: Any) -> Iterator[Channel]:
    server = grpc.server(ThreadPoolExecutor(2))
    handler: Any = grpc.unary_stream_rpc_method_handler(lambda _, __: answers())
    name = "plexus.records.v1.RecordsService"
    generic = grpc.method_handlers_generic_handler(name, {"StreamRecordEvents": handler})
    server.add_generic_rpc_handlers((generic,))
    with listening(server) as target, channel(target, tuning=Tuning(**tuning)) as opened:
        yield opened


def three() -> Iterator[bytes]:
    yield from (b"", b"", b"")


def broken() -> Iterator[bytes]:
    yield b""
    raise LookupError


def read_all(stream: Any) -> None:
    with suppress(PlexusError):
        for _ in stream:
            pass


def read_one_and_cancel(stream: Any) -> None:
    next(stream)
    stream.cancel()
    read_all(stream)


def read_one_and_drop(stream: Any) -> None:
    next(stream)


@pytest.mark.parametrize(
    ("answers", "read", "status"),
    [
        (three, read_all, "OK"),
        (broken, read_all, "UNKNOWN"),
        (three, read_one_and_drop, "CANCELLED"),
        (three, read_one_and_cancel, None),
    ],
    ids=["read to its end", "broken off", "dropped", "cancelled"],
)
def test_the_span_of_a_stream_ends_however_the_stream_does(
    answers: Callable[[], Iterator[bytes]], read: Callable[[Any], None], status: str | None
) -> None:
    with recorded() as spans, feed(answers, sampling=1.0) as opened:
        read(records_of(opened).StreamRecordEvents(records.StreamRecordEventsRequest()))
        gc.collect()
        span = spans.one(SpanKind.CLIENT)
    assert happened(span) == []
    # What was cancelled may have been over already.
    codes = [code for code in grpc.StatusCode if code.name == status or status is None]
    assert told(span)[STATUS_CODE] in {code.value[0] for code in codes}
    assert not otel.get_current_span().is_recording()


def test_what_is_done_between_two_responses_is_no_part_of_the_stream() -> None:
    with recorded() as spans, feed(three, sampling=1.0) as opened, remote(empty) as server:
        with server.channel(sampling=1.0) as other:
            for _ in records_of(opened).StreamRecordEvents(records.StreamRecordEventsRequest()):
                assert not otel.get_current_span().is_recording()
                records_of(other).GetPatient(PATIENT)
    assert [parent_of(span) for span in spans.all()] == [0] * 4


@pytest.mark.parametrize(
    ("answer", "slow_share", "reason"),
    [
        (empty, 1.0, None),
        (failing(grpc.StatusCode.NOT_FOUND), 1.0, None),
        (failing(grpc.StatusCode.INTERNAL), 1.0, "INTERNAL"),
        (empty, 0.0, ""),
    ],
    ids=["quick", "business error", "failed", "slow"],
)
def test_an_unsampled_call_leaves_a_span_when_it_failed_or_was_slow(
    answer: Answer, slow_share: float, reason: str | None
) -> None:
    with recorded() as spans, remote(answer) as server:
        tuning = {"sampling": 0.0, "slow_share": slow_share, "hedge_rivals": 0}
        with server.channel(**tuning) as opened, suppress(PlexusError):
            records_of(opened).GetPatient(PATIENT)
        found = spans.all()
    if reason is None:
        assert found == ()
        return
    (span,) = found
    header = server.metadata[0]["traceparent"]
    assert not traceparent.is_sampled(header)
    assert trace_of(span) == traceparent.trace_id_of(header)
    assert (id_of(span), parent_of(span)) == (traceparent.span_id_of(header), 0)
    assert told(span).get(REASON, "") == reason
    assert (span.start_time or 0) < (span.end_time or 0)


def test_a_span_left_within_other_work_names_the_works_own_span_as_its_parent() -> None:
    booking = work(1)
    with recorded() as spans, remote(failing(grpc.StatusCode.INTERNAL)) as server:
        with server.channel(hedge_rivals=0) as opened, working(booking):
            fails(lambda: records_of(opened).GetPatient(PATIENT))
    (span,) = spans.all()
    assert trace_of(span) == "a" * 32
    assert parent_of(span) == booking.span_id != 0


def test_an_unsampled_stream_that_breaks_leaves_a_span() -> None:
    with recorded() as spans, feed(broken, sampling=0.0) as opened:
        read_all(records_of(opened).StreamRecordEvents(records.StreamRecordEventsRequest()))
        span = spans.one(SpanKind.CLIENT)
    assert told(span)[STATUS_CODE] == grpc.StatusCode.UNKNOWN.value[0]


def test_an_outage_leaves_so_many_spans_a_second_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("plexus.client.afterwards.time.monotonic", lambda: 1000.5)
    with recorded() as spans, remote(empty) as server:
        pass
    with recorded() as spans, server.channel(sampling=0.0, breaker_failures=1) as opened:
        stub = records_of(opened)
        for _ in range(300):
            fails(lambda: stub.GetPatient(PATIENT, timeout=5))
        assert len(spans.all()) == 100


def test_many_threads_make_headers_that_are_valid_and_unlike_each_other() -> None:
    begun = traceparent.new_header()
    with ThreadPoolExecutor(8) as threads:
        new = list(threads.map(lambda _: traceparent.new_header(), range(1000)))
        further = list(threads.map(lambda _: traceparent.continued(begun), range(1000)))
    assert all(map(traceparent.is_valid, new + further))
    assert not any(map(traceparent.is_sampled, new + further))
    assert len(set(map(traceparent.trace_id_of, new))) == 1000
    assert {traceparent.trace_id_of(each) for each in further} == {traceparent.trace_id_of(begun)}
    assert len(set(map(traceparent.span_id_of, [*new, *further]))) == 2000
