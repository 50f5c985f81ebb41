"""What the client stack does to every call: deadline, request id, trace, declared calls, errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from mesh.chaos.proxy import Proxy
from plexus.client import Inbound, Tuning, channel, optional, working
from plexus.contract import Call, ContractError, Need
from plexus.errors import (
    Cancelled,
    Conflict,
    DeadlineExceeded,
    Fault,
    Internal,
    Invalid,
    NotFound,
    Overloaded,
    PlexusError,
    Refused,
    Unavailable,
    Unmet,
)
from plexus.records.v1 import records_service_pb2 as records
from plexus.scheduling.v1 import scheduling_service_pb2 as scheduling
from plexus.scheduling.v1.errors_pb2 import SchedulingError
from tests.client.remote import (
    CANCEL,
    CONTRACT,
    GET_PATIENT,
    PATIENT,
    empty,
    failing,
    records_of,
    remote,
    scheduling_of,
)
from tests.listening import listening

BOOK = "plexus.scheduling.v1.SchedulingService/BookAppointment"


def work(seconds: float, calls: Mapping[str, Call] | None = None) -> Inbound:
    method = CONTRACT.method(BOOK)
    return Inbound(
        name=BOOK,
        method=method,
        calls=method.calls if calls is None else calls,
        deadline=time.monotonic() + seconds,
        request_id="r1",
        traceparent=f"00-{'a' * 32}-{'b' * 16}-00",
    )


@pytest.mark.parametrize(
    ("left", "wish", "most"),
    [(None, None, 0.5), (None, 0.1, 0.1), (None, 9.0, 0.5), (0.3, None, 0.3 * 0.8)],
    ids=["the contract's", "a shorter wish", "a longer wish is not granted", "what is left"],
)
def test_every_call_carries_the_shortest_of_its_deadlines(
    left: float | None, wish: float | None, most: float
) -> None:
    with remote(empty) as server, server.channel() as opened:
        stub = records_of(opened)
        if left is None:
            stub.GetPatient(PATIENT, timeout=wish)
        else:
            with working(work(left)):
                stub.GetPatient(PATIENT, timeout=wish)
    (seen,) = server.remaining
    assert seen is not None
    # Generous below: the machine may be busy between sending and looking.
    # gRPC counts in whole milliseconds.
    assert most - 0.25 < seen <= most + 0.002


def test_a_call_without_time_left_is_not_made() -> None:
    with remote(empty) as server, server.channel() as opened:
        with working(work(-1)), pytest.raises(DeadlineExceeded) as late:
            records_of(opened).GetPatient(PATIENT)
    assert (late.value.reason, late.value.metadata) == (
        "DEADLINE_EXHAUSTED",
        {"method": GET_PATIENT},
    )
    assert server.calls == 0


def test_a_write_is_named_once_and_the_callers_message_is_left_alone() -> None:
    names = set()

    def note(request: bytes, _: grpc.ServicerContext) -> bytes:
        names.add(scheduling.CancelAppointmentRequest.FromString(request).request_id)
        return b""

    with remote(note) as server, server.channel() as opened:
        stub = scheduling_of(opened)
        stub.CancelAppointment(CANCEL)
        stub.CancelAppointment(CANCEL)
    assert len(names) == 2
    assert "" not in names
    assert CANCEL.request_id == ""


def test_work_that_is_repeated_names_its_writes_the_same() -> None:
    first, again = work(1), work(1)
    assert [first.next_request_id("x"), first.next_request_id("x")] == [
        again.next_request_id("x"),
        again.next_request_id("x"),
    ]
    assert first.next_request_id("x") != first.next_request_id("y")


def test_an_unsampled_trace_is_carried_on_in_one_header() -> None:
    with remote(empty) as server, server.channel() as opened, working(work(1)):
        records_of(opened).GetPatient(PATIENT)
        records_of(opened).GetPatient(PATIENT)
    told = [metadata["traceparent"].split("-") for metadata in server.metadata]
    assert [(trace_id, flags) for _, trace_id, _, flags in told] == [("a" * 32, "00")] * 2
    # Each call is a span that could be made, and its callee is told which.
    assert len({span_id for _, _, span_id, _ in told}) == 2


@pytest.mark.parametrize(
    "calls",
    [{}, {"plexus.records.v1.RecordsService/GetChart": Call("x", Need.OPTIONAL, "")}],
    ids=["none declared", "another declared"],
)
def test_an_undeclared_call_is_refused(calls: Mapping[str, Call]) -> None:
    with remote(empty) as server, channel(server.address, enforce=True) as opened:
        stub = records_of(opened)
        with working(work(1, calls)), pytest.raises(ContractError, match="does not declare"):
            stub.GetPatient(PATIENT)
        with pytest.raises(ContractError, match="outside any method"):
            stub.GetPatient(PATIENT)
    assert server.calls == 0


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, Refused),
        (grpc.StatusCode.UNAUTHENTICATED, Refused),
        (grpc.StatusCode.INVALID_ARGUMENT, Invalid),
        (grpc.StatusCode.NOT_FOUND, NotFound),
        (grpc.StatusCode.ALREADY_EXISTS, Conflict),
        (grpc.StatusCode.ABORTED, Conflict),
        (grpc.StatusCode.FAILED_PRECONDITION, Unmet),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Overloaded),
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
        (grpc.StatusCode.UNKNOWN, Internal),
    ],
)
def test_every_status_is_a_typed_exception(code: grpc.StatusCode, kind: type[PlexusError]) -> None:
    with remote(failing(code)) as server, server.channel() as opened:
        with pytest.raises(kind) as failure:
            records_of(opened).GetPatient(PATIENT)
    assert failure.value.code() is code
    assert failure.value.method == GET_PATIENT


def test_a_repeatable_call_is_tried_again_when_nobody_answered_and_another_is_not() -> None:
    seen: list[int] = []

    def once(_: bytes, context: grpc.ServicerContext) -> bytes:
        seen.append(1)
        if len(seen) == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "")
        return b""

    with remote(once) as server, server.channel() as opened:
        records_of(opened).GetPatient(PATIENT)
    assert len(seen) == 2


def test_a_connection_takes_its_time_where_the_machine_is_busy() -> None:
    """Two tenths of a second for the first bytes, and the call is answered and not refused."""
    with remote(empty) as server:
        host, _, port = server.address.rpartition(":")
        proxy = Proxy(lambda: (host, int(port)))
        proxy.start()
        proxy.delay(0.2)
        try:
            with channel(
                ":".join(map(str, proxy.address)), tuning=Tuning(hedge_rivals=0)
            ) as opened:
                scheduling_of(opened).CancelAppointment(CANCEL)
        finally:
            proxy.close()
    assert server.calls == 1


def test_an_optional_call_that_fails_gives_nothing_and_a_note() -> None:
    with remote(failing(grpc.StatusCode.INTERNAL)) as server, server.channel() as opened:
        with working(work(1)) as booking:
            assert optional(records_of(opened).GetPatient, PATIENT) is None
    (note,) = booking.degradations
    declared = CONTRACT.method(BOOK).calls[GET_PATIENT]
    assert (note.dependency, note.effect, note.reason) == (
        GET_PATIENT,
        declared.effect,
        "INTERNAL",
    )


def test_an_optional_call_that_is_answered_no_is_not_degraded() -> None:
    unknown = Fault(
        SchedulingError,
        SchedulingError.SCHEDULING_ERROR_PATIENT_UNKNOWN,
        patient_id=PATIENT.patient_id,
    )
    with remote(failing(grpc.StatusCode.NOT_FOUND)) as server, server.channel() as opened:
        with working(work(1)) as booking, pytest.raises(Fault) as raised:
            optional(records_of(opened).GetPatient, PATIENT, missing=unknown)
    assert raised.value is unknown
    assert not booking.degradations


def test_a_call_that_is_not_declared_optional_cannot_be_made_as_one() -> None:
    calls = {GET_PATIENT: Call(GET_PATIENT, Need.REQUIRED, "")}
    with remote(empty) as server, server.channel() as opened, working(work(1, calls)):
        with pytest.raises(ContractError, match="does not declare an optional call"):
            optional(records_of(opened).GetPatient, PATIENT)


@pytest.mark.parametrize("sampled", [False, True])
def test_a_stream_is_cancelled_from_another_thread_while_it_is_read(sampled: bool) -> None:
    reading = threading.Event()

    def events(_: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        reading.set()
        ended = threading.Event()
        context.add_callback(ended.set)
        ended.wait(10)
        yield b""

    server = grpc.server(ThreadPoolExecutor(2))
    handler: Any = grpc.unary_stream_rpc_method_handler(events)
    name = "plexus.records.v1.RecordsService"
    generic = grpc.method_handlers_generic_handler(name, {"StreamRecordEvents": handler})
    server.add_generic_rpc_handlers((generic,))
    tuning = Tuning(sampling=float(sampled))
    with (
        listening(server) as target,
        channel(target, tuning=tuning) as opened,
        ThreadPoolExecutor(1) as reader,
    ):
        stream: Any = records_of(opened).StreamRecordEvents(records.StreamRecordEventsRequest())
        outcome = reader.submit(next, stream)
        assert reading.wait(5)
        stream.cancel()
        with pytest.raises(Cancelled):
            outcome.result(5)
