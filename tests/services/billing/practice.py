"""A small practice: events of appointments, records that can be silent, and a clock to move."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from sqlalchemy import Connection

from mesh.persistence import Database
from plexus.billing.v1 import billing_service_pb2 as api
from plexus.billing.v1.claim_pb2 import Claim
from plexus.client import Inbound, working
from plexus.contract import load
from plexus.errors import NotFound, PlexusError, Unavailable
from plexus.records.v1.coverage_pb2 import Coverage
from plexus.records.v1.records_service_pb2 import GetPatientResponse, ListCoveragesResponse
from plexus.scheduling.v1.appointment_event_pb2 import AppointmentChange, AppointmentEvent
from plexus.scheduling.v1.scheduling_service_pb2 import StreamAppointmentEventsResponse
from plexus.type.v1.money_pb2 import Money
from services.billing.claims_task import ClaimsTask
from services.billing.coverage_task import CoverageTask
from services.billing.domain.claim import Claim as StoredClaim
from services.billing.service import Billing, fee_schedule
from services.billing.store import claims
from tests.servicing import Server

COMPLETED = AppointmentChange.APPOINTMENT_CHANGE_COMPLETED
BOOKED = AppointmentChange.APPOINTMENT_CHANGE_BOOKED
RECORDS = "plexus.records.v1.RecordsService"


def appointment_id(number: int) -> str:
    """The id of an appointment."""
    return f"app_{number:08d}"


def patient_id(number: int) -> str:
    """The id of a patient."""
    return f"pat_{number:08d}"


def told(
    sequence: int,
    appointment: int,
    *,
    patient: int = 1,
    change: AppointmentChange.ValueType = COMPLETED,
    codes: Sequence[str] = (),
) -> StreamAppointmentEventsResponse:
    """An event of the feed."""
    event = AppointmentEvent(sequence=sequence, change=change)
    event.time.FromDatetime(datetime(2025, 3, 4, 15, tzinfo=UTC))
    event.appointment.id = appointment_id(appointment)
    event.appointment.patient_id = patient_id(patient)
    event.appointment.appointment_type_code = "office_visit"
    event.appointment.start_time.FromDatetime(datetime(2025, 3, 4, 14, tzinfo=UTC))
    for code in codes:
        event.appointment.services.add(quantity=1).code.code = code
    return StreamAppointmentEventsResponse(event=event)


class Clock:
    """Time that moves when told to."""

    def __init__(self) -> None:
        self.now = datetime(2025, 3, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, seconds: float) -> None:
        """Move on."""
        self.now += timedelta(seconds=seconds)


class Answering:
    """One method of a dependency, of which *answer* decides."""

    def __init__(self, path: str, answer: Callable[[Any], Any]) -> None:
        self.path = path
        self._answer = answer

    def __call__(self, request: Any) -> Any:
        return self._answer(request)


class FakeRecords:
    """Records, that knows the patients it is told of, and can fail."""

    def __init__(self) -> None:
        self.coverages: dict[str, list[Coverage]] = {}
        self.failure: PlexusError | None = None
        self.asked: list[str] = []
        self.GetPatient = Answering(f"{RECORDS}/GetPatient", self._get_patient)
        self.ListCoverages = Answering(f"{RECORDS}/ListCoverages", self._list_coverages)

    def knows(self, patient: int, *, payer: str = "") -> None:
        """Have a patient, insured with *payer* if one is given."""
        plan = Coverage(id=f"cov_{patient:08d}", status="active", payer=payer, member_id="M1")
        self.coverages[patient_id(patient)] = [plan] if payer else []

    def _get_patient(self, request: Any) -> GetPatientResponse:
        self._look_up(request.patient_id)
        return GetPatientResponse()

    def _list_coverages(self, request: Any) -> ListCoveragesResponse:
        return ListCoveragesResponse(coverages=self._look_up(request.patient_id))

    def _look_up(self, patient: str) -> list[Coverage]:
        self.asked.append(patient)
        if self.failure:
            raise self.failure
        if patient not in self.coverages:
            raise NotFound(grpc.StatusCode.NOT_FOUND, "PATIENT_NOT_FOUND")
        return self.coverages[patient]


def silence() -> PlexusError:
    """What a caller gets from a service that is down."""
    return Unavailable(grpc.StatusCode.UNAVAILABLE)


@contextmanager
def the_task(name: str) -> Iterator[None]:
    """Be the background work *name*, as the host makes it."""
    (service,) = load().workloads["billing"]
    (task,) = (task for task in service.tasks if task.name == name)
    with working(Inbound(f"billing/{name}", task.declared, float("inf"))):
        yield


class Practice:
    """Billing on a database, with everything around it in the test's hands."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = Clock()
        self.records = FakeRecords()
        self.claims_task = ClaimsTask(self._no_feed, fee_schedule(), self.clock)
        self.coverage_task = CoverageTask(database, self.records, self.clock)
        billing = Billing(database, "USD", self.clock)
        self._server = Server(api.DESCRIPTOR.services_by_name["BillingService"], billing)
        self._requests = 0

    def complete(self, *appointments: int, patient: int = 1, codes: Sequence[str] = ()) -> None:
        """Have appointments completed, and billing told of it."""
        batch = tuple(told(n, n, patient=patient, codes=codes) for n in appointments)
        self.database.transact(lambda tx: self.claims_task.apply(tx, batch))

    def ask_records(self) -> None:
        """Have billing ask records about every claim that is due."""
        with the_task("coverage"):
            self.coverage_task.work()

    def call(self, method: str, request: Any) -> Any:
        """Call billing through the server stack."""
        return self._server.call(method, request)

    def claims(self, **criteria: Any) -> list[Claim]:
        """Every claim that fits."""
        request = api.ListClaimsRequest(page_size=1000, **criteria)
        return list(self.call("ListClaims", request).claims)

    def claim(self, appointment: int) -> Claim:
        """The one claim of an appointment."""
        (claim,) = self.claims(appointment_id=appointment_id(appointment))
        return claim

    def submit(self, claim: Claim, request_id: str = "") -> Claim:
        """Submit a claim."""
        request = api.SubmitClaimRequest(
            request_id=request_id or self._next_request_id(), claim_id=claim.id
        )
        submitted: Claim = self.call("SubmitClaim", request).claim
        return submitted

    def pay(
        self,
        claim: Claim,
        payer: Any,
        amount: int,
        *,
        currency: str = "USD",
        request_id: str = "",
    ) -> api.RecordPaymentResponse:
        """Pay for a claim."""
        request = api.RecordPaymentRequest(
            request_id=request_id or self._next_request_id(),
            claim_id=claim.id,
            payer=payer,
            amount=Money(currency=currency, minor_units=amount),
        )
        response: api.RecordPaymentResponse = self.call("RecordPayment", request)
        return response

    def balance(self, patient: int = 1) -> tuple[int, int, int, int]:
        """Charged, paid, owed by the patient, owed by insurers."""
        said = self.call("GetBalance", api.GetBalanceRequest(patient_id=patient_id(patient)))
        parts = (said.charged, said.paid, said.patient_owes, said.insurer_owes)
        return tuple(part.minor_units for part in parts)

    def entries(self, **criteria: Any) -> list[Any]:
        """The ledger."""
        request = api.ListLedgerEntriesRequest(page_size=1000, **criteria)
        return list(self.call("ListLedgerEntries", request).entries)

    @staticmethod
    def stored(tx: Connection, appointment: str) -> list[StoredClaim]:
        """The claims of an appointment as the rules see them."""
        return claims.page(tx, claims.Filter(appointment_id=appointment), 10, None)

    def _next_request_id(self) -> str:
        self._requests += 1
        return f"request-{self._requests}"

    @staticmethod
    def _no_feed(request: Any) -> Iterable[Any]:
        raise AssertionError("this test has no feed")
