"""The checks of the books: whose time was given away twice, which transaction does not sum to zero."""

from __future__ import annotations

import pytest

from demo.audit import count_overlaps, count_unbalanced, pages
from plexus.billing.v1.ledger_entry_pb2 import LedgerEntry
from plexus.scheduling.v1.appointment_pb2 import (
    APPOINTMENT_STATE_BOOKED,
    APPOINTMENT_STATE_CANCELLED,
    APPOINTMENT_STATE_COMPLETED,
    Appointment,
    AppointmentState,
)
from plexus.scheduling.v1.scheduling_service_pb2 import (
    ListClinicsRequest,
    ListClinicsResponse,
)


def appointment(
    start: int, end: int, state: AppointmentState.ValueType, practitioner: str = "pra_a"
) -> Appointment:
    made = Appointment(practitioner_id=practitioner, state=state)
    made.start_time.seconds, made.end_time.seconds = start, end
    return made


BOOKED = appointment(100, 200, APPOINTMENT_STATE_BOOKED)


@pytest.mark.parametrize(
    ("other", "overlaps"),
    [
        (appointment(200, 300, APPOINTMENT_STATE_COMPLETED), 0),
        (appointment(199, 300, APPOINTMENT_STATE_COMPLETED), 1),
        (appointment(100, 200, APPOINTMENT_STATE_BOOKED), 1),
        (appointment(120, 130, APPOINTMENT_STATE_BOOKED), 1),
        (appointment(100, 200, APPOINTMENT_STATE_CANCELLED), 0),
        (appointment(100, 200, APPOINTMENT_STATE_BOOKED, "pra_b"), 0),
    ],
)
def test_one_practitioner_cannot_be_in_two_places(other: Appointment, overlaps: int) -> None:
    assert count_overlaps([other, BOOKED]) == overlaps


def test_a_short_appointment_inside_a_long_one_does_not_hide_the_next() -> None:
    inside = appointment(110, 120, APPOINTMENT_STATE_BOOKED)
    late = appointment(150, 160, APPOINTMENT_STATE_BOOKED)
    assert count_overlaps([BOOKED, inside, late]) == 2


def test_each_transaction_has_to_balance_not_only_all_of_them() -> None:
    entries = [LedgerEntry(transaction_id=name) for name in ("txn_a", "txn_a", "txn_b", "txn_c")]
    for entry, amount in zip(entries, (5, -5, 7, -7), strict=True):
        entry.amount.minor_units = amount
    assert count_unbalanced(entries) == 2


def test_every_page_is_asked_for() -> None:
    tokens = {"": "second", "second": "third", "third": ""}
    asked: list[str] = []

    def answer(request: ListClinicsRequest) -> ListClinicsResponse:
        asked.append(request.page_token)
        return ListClinicsResponse(next_page_token=tokens[request.page_token])

    assert len(list(pages(answer, ListClinicsRequest()))) == 3
    assert asked == ["", "second", "third"]
