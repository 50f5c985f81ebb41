"""Every call that touches what is known of a person leaves a record before its answer leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import ServiceDescriptor
from prometheus_client import CollectorRegistry

from mesh.audit.failures import JournalUnavailable
from mesh.identity.tokens import Token
from mesh.server import Parts, handlers
from observability.metrics import CallMetrics
from plexus.client import Channel, channel
from plexus.contract import load
from plexus.errors import Fault, PlexusError, Unavailable
from plexus.records.v1 import records_service_pb2 as records
from plexus.records.v1.errors_pb2 import RecordsError
from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub
from plexus.scheduling.v1 import scheduling_service_pb2 as scheduling
from plexus.scheduling.v1.scheduling_service_pb2_grpc import SchedulingServiceStub
from plexus.type.v1.errors_pb2 import PlatformError
from tests.listening import listening

CONTRACT = load()
RECORDS: ServiceDescriptor = records.DESCRIPTOR.services_by_name["RecordsService"]
SCHEDULING: ServiceDescriptor = scheduling.DESCRIPTOR.services_by_name["SchedulingService"]
ONE, TWO, THREE = (f"pat_0000000{number}" for number in (1, 2, 3))
NAME = "Zebulon Pike"
EVERYTHING = (("authorization", f"Bearer {','.join(CONTRACT.scopes)}"),)


class Book:
    """Keeps records, and tells what was known when each was written."""

    def __init__(self) -> None:
        self.records: list[Mapping[str, Any]] = []
        self.full = False

    def ready(self) -> None:
        if self.full:
            raise JournalUnavailable

    def append(self, fields: Mapping[str, Any]) -> int:
        self.ready()
        self.records.append(fields)
        return len(self.records)

    def told(self, *names: str) -> list[tuple[Any, ...]]:
        """What the records say under *names*."""
        return [tuple(record.get(name) for name in names) for record in self.records]


class Servicer:
    """Answers with patients. No record is there before it has answered."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.begun = 0

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None

    def GetPatient(self, request: Any, context: Any) -> Any:
        self.begun += 1
        assert self.book.records == []
        if request.patient_id == TWO:
            reason = RecordsError.RECORDS_ERROR_PATIENT_NOT_FOUND
            raise Fault(RecordsError, reason, patient_id=TWO)
        if request.patient_id == THREE:
            raise ValueError(NAME)
        response = records.GetPatientResponse()
        response.patient.id = request.patient_id
        return response

    def SearchPatients(self, request: Any, context: Any) -> Any:
        response = records.SearchPatientsResponse()
        for each in (ONE, TWO):
            response.patients.add().id = each
        return response

    def ImportBundle(self, request_iterator: Any, context: Any) -> Any:
        list(request_iterator)
        return records.ImportBundleResponse(patient_ids=[ONE, THREE])

    def ExportPatient(self, request: Any, context: Any) -> Iterator[Any]:
        for _ in range(3):
            yield records.ExportPatientResponse(resource_type="Patient")
        if request.patient_id == THREE:
            raise ValueError(NAME)

    def StreamAppointmentEvents(self, request: Any, context: Any) -> Iterator[Any]:
        for patient in (ONE, TWO, ONE, THREE):
            response = scheduling.StreamAppointmentEventsResponse()
            response.event.appointment.patient_id = patient
            yield response

    def ListClinics(self, request: Any, context: Any) -> Any:
        return scheduling.ListClinicsResponse()


@contextmanager
def serving(
    book: Book, descriptor: ServiceDescriptor = RECORDS, caller: str = "edge"
) -> Iterator[tuple[Channel, Servicer]]:
    def verify(bearer: str) -> Token:
        if bearer == "bad":
            raise Fault(PlatformError, PlatformError.PLATFORM_ERROR_TOKEN_INVALID)
        return Token(subject="app", scopes=frozenset(bearer.split(",")), expires=0)

    metrics = CallMetrics(CollectorRegistry())
    parts = Parts(CONTRACT, metrics, identify=lambda _: caller, verify=verify, book=book)
    server = grpc.server(ThreadPoolExecutor(4))
    servicer = Servicer(book)
    made = handlers(descriptor, servicer, parts)
    generic = grpc.method_handlers_generic_handler(descriptor.full_name, made)
    server.add_generic_rpc_handlers((generic,))
    with listening(server) as target, channel(target) as opened:
        yield opened, servicer


@pytest.fixture
def book() -> Book:
    return Book()


def reason(call: Callable[[], object]) -> str:
    try:
        call()
    except PlexusError as error:
        return error.reason
    return ""


@pytest.mark.parametrize(
    ("caller", "token", "patient", "expected"),
    [
        ("edge", "records.read", ONE, ("edge", "app", [ONE], "OK", "")),
        ("scheduling", None, ONE, ("scheduling", "", [ONE], "OK", "")),
        ("edge", "records.read", TWO, ("edge", "app", [TWO], "NOT_FOUND", "PATIENT_NOT_FOUND")),
        ("edge", "records.read", THREE, ("edge", "app", [THREE], "INTERNAL", "INTERNAL")),
        # Whose bytes are not read names nobody; that it was tried is known.
        ("triage", None, ONE, ("triage", "", [], "PERMISSION_DENIED", "CALLER_NOT_ALLOWED")),
        ("", None, ONE, ("", "", [], "PERMISSION_DENIED", "CALLER_NOT_ALLOWED")),
        ("edge", None, ONE, ("edge", "", [], "UNAUTHENTICATED", "TOKEN_INVALID")),
        ("edge", "bad", ONE, ("edge", "", [], "UNAUTHENTICATED", "TOKEN_INVALID")),
        ("edge", "x", ONE, ("edge", "app", [], "PERMISSION_DENIED", "SCOPE_MISSING")),
        # A name where an id should be is not written down.
        ("edge", "records.read", NAME, ("edge", "app", [], "INVALID_ARGUMENT", "REQUEST_INVALID")),
    ],
)
def test_a_call_leaves_one_record_of_who_and_whom_and_how_it_ended(
    book: Book, caller: str, token: str | None, patient: str, expected: tuple[Any, ...]
) -> None:
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    request = records.GetPatientRequest(patient_id=patient)
    with serving(book, caller=caller) as (opened, _):
        given = reason(lambda: RecordsServiceStub(opened).GetPatient(request, metadata=metadata))
    assert book.told("caller", "subject", "patients", "outcome", "reason") == [expected]
    assert given == expected[-1]
    (record,) = book.records
    assert record["method"] == f"{RECORDS.full_name}/GetPatient"
    assert len(record["trace"]) == 32
    assert NAME not in str(record)


def test_the_trace_of_the_call_is_in_its_record(book: Book) -> None:
    header = f"00-{'a' * 32}-{'b' * 16}-00"
    with serving(book) as (opened, _):
        call: Any = opened._channel.unary_unary(f"/{RECORDS.full_name}/GetPatient")
        request = records.GetPatientRequest(patient_id=ONE).SerializeToString()
        call(request, timeout=5, metadata=(*EVERYTHING, ("traceparent", header)))
    assert book.told("trace") == [("a" * 32,)]


def test_a_list_names_all_who_are_in_the_answer(book: Book) -> None:
    with serving(book) as (opened, _):
        stub = RecordsServiceStub(opened)
        stub.SearchPatients(records.SearchPatientsRequest(name=NAME), metadata=EVERYTHING)
        pieces = iter([records.ImportBundleRequest(source="s")])
        stub.ImportBundle(pieces, metadata=EVERYTHING)
    assert book.told("patients", "outcome") == [([ONE, TWO], "OK"), ([ONE, THREE], "OK")]


def test_a_stream_names_each_patient_before_it_tells_of_them_and_says_when_it_ended(
    book: Book,
) -> None:
    with serving(book, SCHEDULING) as (opened, _):
        events = SchedulingServiceStub(opened).StreamAppointmentEvents(
            scheduling.StreamAppointmentEventsRequest(), metadata=EVERYTHING
        )
        for known, event in zip((1, 2, 2, 3), events, strict=False):
            named = {each for record in book.records for each in record["patients"]}
            assert event.event.appointment.patient_id in named
            assert len(named) >= known
        list(events)
    assert book.told("patients", "stream", "answers", "outcome") == [
        ([ONE], "begun", None, "OK"),
        ([TWO], "begun", None, "OK"),
        ([THREE], "begun", None, "OK"),
        ([], "ended", 4, "OK"),
    ]


@pytest.mark.parametrize(
    ("patient", "outcome"), [(ONE, "OK"), (THREE, "INTERNAL")], ids=["whole", "broken off"]
)
def test_an_export_names_the_patient_of_the_request_once(
    book: Book, patient: str, outcome: str
) -> None:
    with serving(book) as (opened, _):
        request = records.ExportPatientRequest(patient_id=patient)
        stub = RecordsServiceStub(opened)
        reason(lambda: list(stub.ExportPatient(request, metadata=EVERYTHING)))
    assert book.told("patients", "stream", "answers", "outcome") == [
        ([patient], "begun", None, "OK"),
        ([], "ended", 3, outcome),
    ]


def test_a_refused_stream_leaves_one_record(book: Book) -> None:
    with serving(book) as (opened, _):
        request = records.ExportPatientRequest(patient_id=NAME)
        reason(lambda: list(RecordsServiceStub(opened).ExportPatient(request, metadata=EVERYTHING)))
    assert book.told("stream", "outcome") == [("ended", "INVALID_ARGUMENT")]


def test_a_call_that_touches_nobody_leaves_none(book: Book) -> None:
    with serving(book, SCHEDULING) as (opened, _):
        stub = SchedulingServiceStub(opened)
        stub.ListClinics(scheduling.ListClinicsRequest(), metadata=EVERYTHING)
    assert book.records == []


@pytest.mark.parametrize("patient", [ONE, TWO, NAME], ids=["answer", "failure", "refusal"])
def test_without_a_record_there_is_no_answer_and_no_refusal(book: Book, patient: str) -> None:
    with serving(book) as (opened, _):
        book.append = lambda _: book.full or full()  # type: ignore[method-assign, assignment]
        request = records.GetPatientRequest(patient_id=patient)
        with pytest.raises(Unavailable) as refusal:
            RecordsServiceStub(opened).GetPatient(request, metadata=EVERYTHING)
    assert refusal.value.reason == "AUDIT_UNAVAILABLE"


def full() -> int:
    raise JournalUnavailable


def test_while_nothing_can_be_recorded_nothing_is_begun(book: Book) -> None:
    book.full = True
    with serving(book) as (opened, servicer):
        stub = RecordsServiceStub(opened)
        request = records.GetPatientRequest(patient_id=ONE)
        assert reason(lambda: stub.GetPatient(request, metadata=EVERYTHING)) == "AUDIT_UNAVAILABLE"
        exported = records.ExportPatientRequest(patient_id=ONE)
        given = reason(lambda: list(stub.ExportPatient(exported, metadata=EVERYTHING)))
        assert given == "AUDIT_UNAVAILABLE"
    assert servicer.begun == 0


def test_what_audit_records_travel_in_is_not_audited() -> None:
    log = CONTRACT.access_log
    assert log is not None
    assert log.touches
    assert not log.audited
