"""Reads everything back through the services' own methods when the storm is over."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from mesh.chaos.history import books
from mesh.chaos.history.books import Books, Filed, Followed
from mesh.chaos.history.practice import Practice, Stubs
from plexus.billing.v1 import billing_service_pb2 as billing
from plexus.billing.v1.claim_pb2 import Claim, ClaimState
from plexus.billing.v1.ledger_entry_pb2 import EntryKind, LedgerEntry
from plexus.errors import PlexusError
from plexus.records.v1 import records_service_pb2 as records
from plexus.records.v1.record_event_pb2 import RecordEvent
from plexus.scheduling.v1 import scheduling_service_pb2 as scheduling
from plexus.scheduling.v1.appointment_event_pb2 import AppointmentChange, AppointmentEvent
from plexus.scheduling.v1.appointment_pb2 import (
    Appointment,
    AppointmentState,
    PatientVerification,
)

T = TypeVar("T")

_PAGE = 500
_PATIENCE = 30.0
_PAUSE = 0.3

_HOLDING = frozenset(
    {
        AppointmentState.APPOINTMENT_STATE_BOOKED,
        AppointmentState.APPOINTMENT_STATE_CHECKED_IN,
        AppointmentState.APPOINTMENT_STATE_COMPLETED,
    }
)
_SUBMITTED = frozenset({ClaimState.CLAIM_STATE_SUBMITTED, ClaimState.CLAIM_STATE_PAID})


class Reading:
    """Reads one practice."""

    def __init__(self, stubs: Stubs, practice: Practice) -> None:
        self._stubs = stubs
        self._practice = practice

    def is_quiet(self) -> bool:
        """Whether what goes on behind the requests is done: patients confirmed, claims made ready."""
        rows = self._appointments()
        claims = self._claims({row.id for row in rows})
        completed = sum(
            1 for row in rows if row.state == AppointmentState.APPOINTMENT_STATE_COMPLETED
        )
        return (
            len(claims) >= completed
            and all(c.state != ClaimState.CLAIM_STATE_AWAITING_RECORDS for c in claims)
            and all(
                row.patient_verification != PatientVerification.PATIENT_VERIFICATION_UNVERIFIED
                for row in rows
            )
        )

    def books(
        self,
        appointment_events: Iterable[AppointmentEvent],
        record_events: Iterable[RecordEvent],
        patients: Iterable[str],
        feeds: Iterable[Followed],
    ) -> Books:
        """Everything, with the feeds as they were followed."""
        rows = self._appointments()
        return Books(
            appointments=tuple(map(_appointment, rows)),
            events=tuple(
                _event(event)
                for event in appointment_events
                if event.appointment.clinic_id == self._practice.clinic
            ),
            claims=tuple(map(_claim, self._claims({row.id for row in rows}))),
            ledger=tuple(map(_entry, self._ledger())),
            filed=self._filed(patients, record_events),
            feeds=tuple(feeds),
        )

    def _appointments(self) -> list[Appointment]:
        request = scheduling.ListAppointmentsRequest(
            clinic_id=self._practice.clinic, page_size=_PAGE
        )
        pages = _pages(self._stubs.scheduling.ListAppointments, request)
        return [row for page in pages for row in page.appointments]

    def _claims(self, appointments: set[str]) -> list[Claim]:
        pages = _pages(self._stubs.billing.ListClaims, billing.ListClaimsRequest(page_size=_PAGE))
        found = [claim for page in pages for claim in page.claims]
        return [claim for claim in found if claim.appointment_id in appointments]

    def _ledger(self) -> list[LedgerEntry]:
        request = billing.ListLedgerEntriesRequest(page_size=_PAGE)
        pages = _pages(self._stubs.billing.ListLedgerEntries, request)
        return [entry for page in pages for entry in page.entries]

    def _filed(self, patients: Iterable[str], told: Iterable[RecordEvent]) -> dict[str, Filed]:
        created: dict[str, list[str]] = defaultdict(list)
        for event in told:
            created[event.patient_id].append(event.resource_id)
        return {name: Filed(self._originals(name), tuple(created[name])) for name in patients}

    def _originals(self, patient: str) -> int:
        request = records.ExportPatientRequest(patient_id=patient)
        return patiently(lambda: sum(1 for _ in self._stubs.records.ExportPatient(request)))


def patiently(ask: Callable[[], T]) -> T:
    """The answer, asked for again while the platform recovers; the last refusal after a while."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return ask()
        except PlexusError:
            if time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE)


def _pages(ask: Callable[[Any], Any], request: Any) -> Iterator[Any]:
    while True:
        page = patiently(lambda: ask(request))
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def _appointment(row: Appointment) -> books.Appointment:
    return books.Appointment(
        id=row.id,
        version=row.etag,
        practitioner=row.practitioner_id,
        start=row.start_time.seconds,
        end=row.end_time.seconds,
        holds_time=row.state in _HOLDING,
        completed=row.state == AppointmentState.APPOINTMENT_STATE_COMPLETED,
    )


def _event(event: AppointmentEvent) -> books.Event:
    change = AppointmentChange.Name(event.change).removeprefix("APPOINTMENT_CHANGE_")
    return books.Event(event.sequence, books.Change(change), _appointment(event.appointment))


def _claim(claim: Claim) -> books.Claim:
    return books.Claim(
        id=claim.id,
        appointment=claim.appointment_id,
        submitted=claim.state in _SUBMITTED,
        total=claim.total.minor_units,
        paid=claim.paid.minor_units,
    )


def _entry(entry: LedgerEntry) -> books.Entry:
    kind = EntryKind.Name(entry.kind).removeprefix("ENTRY_KIND_")
    return books.Entry(
        entry.transaction_id, books.Entered(kind), entry.claim_id, entry.amount.minor_units
    )
