"""Asks scheduling and billing, through their own methods, what they hold when all is over."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from demo.patience import insist
from demo.promises import Books
from plexus.billing.v1 import billing_service_pb2 as billing
from plexus.billing.v1.billing_service_pb2_grpc import BillingServiceStub
from plexus.billing.v1.ledger_entry_pb2 import Account, LedgerEntry
from plexus.scheduling.v1 import scheduling_service_pb2 as scheduling
from plexus.scheduling.v1.appointment_pb2 import Appointment, AppointmentState
from plexus.scheduling.v1.scheduling_service_pb2_grpc import SchedulingServiceStub

Request = TypeVar("Request", bound=Any)
Response = TypeVar("Response", bound=Any)

_PAGE = 500
_TAKING_TIME = frozenset(
    {
        AppointmentState.APPOINTMENT_STATE_BOOKED,
        AppointmentState.APPOINTMENT_STATE_CHECKED_IN,
        AppointmentState.APPOINTMENT_STATE_COMPLETED,
    }
)


def audit(
    desk: SchedulingServiceStub,
    office: BillingServiceStub,
    acknowledged: frozenset[str],
    received: int,
) -> Books:
    """Read everything. *acknowledged* and *received* are what patients were told."""
    appointments = [
        appointment
        for page in pages(
            desk.ListAppointments, scheduling.ListAppointmentsRequest(page_size=_PAGE)
        )
        for appointment in page.appointments
    ]
    entries = [
        entry
        for page in pages(
            office.ListLedgerEntries, billing.ListLedgerEntriesRequest(page_size=_PAGE)
        )
        for entry in page.entries
    ]
    return Books(
        acknowledged=acknowledged,
        completed=frozenset(
            appointment.id
            for appointment in appointments
            if appointment.state == AppointmentState.APPOINTMENT_STATE_COMPLETED
        ),
        claims=count_claims(office),
        double_booked=count_overlaps(appointments),
        ledger=sum(entry.amount.minor_units for entry in entries),
        unbalanced=count_unbalanced(entries),
        received=received,
        entered=sum(
            entry.amount.minor_units for entry in entries if entry.account == Account.ACCOUNT_CASH
        ),
    )


def count_claims(office: BillingServiceStub) -> Counter[str]:
    """How many claims each appointment has."""
    return Counter(
        claim.appointment_id
        for page in pages(office.ListClaims, billing.ListClaimsRequest(page_size=_PAGE))
        for claim in page.claims
    )


def count_overlaps(appointments: Iterable[Appointment]) -> int:
    """Appointments that begin before the practitioner's one before is over."""
    times: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for each in appointments:
        if each.state in _TAKING_TIME:
            times[each.practitioner_id].append((each.start_time.seconds, each.end_time.seconds))
    overlaps = 0
    for taken in times.values():
        free_from = 0
        for start, end in sorted(taken):
            overlaps += start < free_from
            free_from = max(free_from, end)
    return overlaps


def count_unbalanced(entries: Iterable[LedgerEntry]) -> int:
    """Transactions whose entries do not sum to zero."""
    sums: Counter[str] = Counter()
    for entry in entries:
        sums[entry.transaction_id] += entry.amount.minor_units
    return sum(1 for total in sums.values() if total)


def pages(ask: Callable[[Request], Response], request: Request) -> Iterator[Response]:
    """Every page of a list."""
    while True:
        page = insist(ask, request)
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token
