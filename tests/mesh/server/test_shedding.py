"""What callers of an overloaded server see, over a real connection."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import ServiceDescriptor
from prometheus_client import CollectorRegistry

from mesh import meaning
from mesh.server import Admission, Parts, handlers
from mesh.server.admission import Limit
from observability.metrics import CallMetrics
from plexus.billing.v1 import billing_service_pb2 as billing
from plexus.client import Channel, channel
from plexus.contract import Criticality, load
from plexus.errors import Overloaded
from plexus.records.v1 import records_service_pb2 as records
from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub
from tests.listening import listening

CONTRACT = load()
RECORDS: ServiceDescriptor = records.DESCRIPTOR.services_by_name["RecordsService"]
BILLING: ServiceDescriptor = billing.DESCRIPTOR.services_by_name["BillingService"]
VITAL = f"/{RECORDS.full_name}/GetPatient"
ROUTINE = f"/{RECORDS.full_name}/SearchPatients"
SHEDDABLE = f"/{BILLING.full_name}/ListLedgerEntries"
PATIENT = records.GetPatientRequest(patient_id="pat_00000000")
REQUESTS = {
    VITAL: PATIENT.SerializeToString(),
    ROUTINE: records.SearchPatientsRequest(name="doe").SerializeToString(),
    SHEDDABLE: billing.ListLedgerEntriesRequest().SerializeToString(),
}
TOKEN = (("authorization", "Bearer any"),)


class Anybody:
    subject = "app"
    scopes = CONTRACT.scopes


class Crew:
    """Answers everything, so many calls at a time, each of which takes so long."""

    def __init__(self, hands: int, seconds: float) -> None:
        self._hands = threading.Semaphore(hands)
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:
        answers = {**vars(records), **vars(billing)}[f"{name}Response"]

        def work(_: Any, __: Any) -> Any:
            with self._hands:
                time.sleep(self._seconds)
            return answers()

        return work


class Held(Crew):
    """Answers when it is let go; its stream gives one event and then waits for the same."""

    def __init__(self) -> None:
        super().__init__(1, 0.0)
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)

    def GetPatient(self, request: Any, context: Any) -> Any:
        self.begun.release()
        self.go.wait(10)
        return records.GetPatientResponse()

    def StreamRecordEvents(self, request: Any, context: Any) -> Iterator[Any]:
        yield records.StreamRecordEventsResponse()
        self.go.wait(10)


@contextmanager
def serving(servicer: Any, admission: Admission) -> Iterator[Channel]:
    parts = Parts(
        contract=CONTRACT,
        metrics=CallMetrics(CollectorRegistry()),
        identify=lambda _: "edge",
        verify=lambda _: Anybody(),
        admission=admission,
    )
    server = grpc.server(ThreadPoolExecutor(meaning.HANDLER_THREADS))
    for descriptor in (RECORDS, BILLING):
        made = handlers(descriptor, servicer, parts)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(descriptor.full_name, made),)
        )
    with listening(server) as target, channel(target) as opened:
        yield opened


def narrow(queue: int = 0, streams: int = 2) -> Admission:
    return Admission(Limit(2, 2, 2), queue=queue, streams=streams)


def test_who_is_refused_is_told_why_and_when_to_return_and_is_not_sent_again() -> None:
    servicer = Held()
    admission = narrow()
    with serving(servicer, admission) as opened, ThreadPoolExecutor(2) as callers:
        stub = RecordsServiceStub(opened)
        held = [callers.submit(stub.GetPatient, PATIENT, metadata=TOKEN) for _ in range(2)]
        for _ in held:
            servicer.begun.acquire(timeout=10)
        with pytest.raises(Overloaded) as refusal:
            stub.GetPatient(PATIENT, metadata=TOKEN)
        assert (refusal.value.reason, refusal.value.domain) == ("OVERLOADED", "plexus")
        assert admission.shed[Criticality.VITAL] == 1
        pushback = refusal.value.retry_after
        assert 0.5 * meaning.PUSHBACK <= pushback <= 1.5 * meaning.PUSHBACK
        servicer.go.set()
        for call in held:
            call.result(10)
    assert admission.at_work == 0


def test_a_call_in_the_queue_is_answered_when_a_place_is_free() -> None:
    servicer = Held()
    admission = narrow(queue=5)
    with serving(servicer, admission) as opened, ThreadPoolExecutor(5) as callers:
        stub = RecordsServiceStub(opened)
        calls = [callers.submit(stub.GetPatient, PATIENT, metadata=TOKEN) for _ in range(5)]
        until(lambda: admission.waiting == 3)
        servicer.go.set()
        for call in calls:
            call.result(10)
    assert (admission.admitted[Criticality.VITAL], sum(admission.shed)) == (5, 0)


def test_streams_take_no_places_and_are_bounded_apart() -> None:
    servicer = Held()
    admission = narrow()
    with serving(servicer, admission) as opened:
        stub = RecordsServiceStub(opened)
        ask = records.StreamRecordEventsRequest()
        feeds = [stub.StreamRecordEvents(ask, metadata=TOKEN) for _ in range(2)]
        for feed in feeds:
            next(feed)
        assert (admission.streams, admission.at_work) == (2, 0)
        with pytest.raises(Overloaded):
            next(stub.StreamRecordEvents(ask, metadata=TOKEN))
        stub.SearchPatients(records.SearchPatientsRequest(name="doe"), metadata=TOKEN)
        servicer.go.set()
        for feed in feeds:
            assert not list(feed)
    until(lambda: admission.streams == 0)


def until(holds: Any) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_at_four_times_capacity_vital_calls_succeed_and_sheddable_ones_are_refused() -> None:
    outcomes: dict[str, Counter[str]] = {path: Counter() for path in REQUESTS}
    pattern = (VITAL, *[ROUTINE] * 4, *[SHEDDABLE] * 5)
    # One hand and 20 ms: fifty calls a second. Twenty of the two hundred are vital.
    with serving(Crew(hands=1, seconds=0.02), Admission()) as opened:
        began = time.monotonic()
        calls: list[tuple[str, Future[Any]]] = []
        for number in range(800):
            path = pattern[number * 7 % len(pattern)]
            time.sleep(max(0.0, began + number / 200 - time.monotonic()))
            raw: Any = opened._channel.unary_unary(path)
            calls.append((path, raw.future(REQUESTS[path], timeout=2.0, metadata=TOKEN)))
        for path, call in calls:
            code: Any = call
            outcomes[path][code.code().name] += 1
    assert outcomes[VITAL]["OK"] >= 0.995 * outcomes[VITAL].total()
    assert outcomes[SHEDDABLE]["RESOURCE_EXHAUSTED"] >= 0.8 * outcomes[SHEDDABLE].total()
    assert sum(counted["OK"] for counted in outcomes.values()) >= 100
