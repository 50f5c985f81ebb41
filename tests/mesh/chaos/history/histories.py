"""A small sound history, to plant violations in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mesh.chaos.history.books import (
    Appointment,
    Books,
    Change,
    Claim,
    Entered,
    Entry,
    Event,
    Filed,
    Followed,
)
from mesh.chaos.history.operation import Answer, Kind, Operation, Status

TOTAL = 9082


@dataclass(frozen=True)
class Told:
    """A history and the books after it."""

    operations: tuple[Operation, ...]
    books: Books

    def with_operations(self, *more: Operation) -> Told:
        """With operations after those there are."""
        return Told((*self.operations, *more), self.books)

    def without(self, key: str) -> Told:
        """Without what was asked under a request id."""
        return Told(tuple(one for one in self.operations if one.key != key), self.books)

    def instead(self, key: str, **changed: object) -> Told:
        """With something else said of the operation with a request id."""
        return Told(
            tuple(
                replace(one, **changed) if one.key == key else one  # type: ignore[arg-type]
                for one in self.operations
            ),
            self.books,
        )

    def with_books(self, **changed: object) -> Told:
        """With other books."""
        return Told(self.operations, replace(self.books, **changed))  # type: ignore[arg-type]


def operation(
    at: float, kind: Kind, key: str, subject: str, answer: Answer | None = None, **more: object
) -> Operation:
    """An operation that took from *at* to half a second later, and went well unless told otherwise."""
    status = Status.OK if answer else Status.FAILED
    made = Operation(0, kind, key, subject, status, at, at + 0.5, answer=answer)
    return replace(made, **more)  # type: ignore[arg-type]


def appointment(name: str, version: str, change: Change, start: int = 600) -> Appointment:
    """An appointment with Dr. A, ten minutes from *start*."""
    return Appointment(
        id=name,
        version=version,
        practitioner="pra_a",
        start=start,
        end=start + 600,
        holds_time=change not in (Change.CANCELLED, Change.NO_SHOW),
        completed=change is Change.COMPLETED,
    )


def event(sequence: int, name: str, change: Change, start: int = 600) -> Event:
    """An event whose sequence is also the version it leaves."""
    return Event(sequence, change, appointment(name, f"v{sequence}", change, start))


def followed(follower: str, *sequences: int, digest: int = 7) -> Followed:
    """A follower of the feed of appointments; an event's digest is its sequence times *digest*."""
    return Followed("appointments", follower, tuple((s, s * digest) for s in sequences))


def transaction(name: str, kind: Entered, amount: int, claim: str = "clm_1") -> tuple[Entry, Entry]:
    """A debit and its credit."""
    return Entry(name, kind, claim, amount), Entry(name, kind, claim, -amount)


def sound() -> Told:
    """app_1 is booked, moved, completed, claimed and half paid; app_2 takes its first time and is
    called off; app_3 is booked by a request whose first answer never came."""
    operations: Sequence[Operation] = (
        operation(0, Kind.IMPORT, "k0", "imp", Answer("pat_1", amount=3), amount=3),
        operation(1, Kind.BOOK, "k1", "", Answer("app_1", "v1")),
        operation(2, Kind.BOOK, "k2", "", reason="SLOT_TAKEN"),
        operation(3, Kind.RESCHEDULE, "k3", "app_1", Answer("app_1", "v2")),
        operation(4, Kind.BOOK, "k4", "", Answer("app_2", "v3")),
        operation(5, Kind.GET_APPOINTMENT, "", "app_1", Answer("app_1", "v2")),
        operation(6, Kind.CHECK_IN, "k6", "app_1", Answer("app_1", "v4")),
        operation(7, Kind.COMPLETE, "k7", "app_1", Answer("app_1", "v6")),
        operation(8, Kind.CANCEL, "k8", "app_2", Answer("app_2", "v7")),
        operation(9, Kind.FIND_CLAIM, "", "app_1", Answer("clm_1", amount=1)),
        operation(10, Kind.SUBMIT, "k10", "clm_1", Answer("clm_1")),
        operation(11, Kind.PAY, "k11", "clm_1", Answer("clm_1", "pay_1", 82), amount=82),
        operation(12, Kind.GET_CLAIM, "", "clm_1", Answer("clm_1", amount=82)),
        operation(13, Kind.BOOK, "k13", "", status=Status.UNKNOWN, reason="UNAVAILABLE"),
        operation(14, Kind.BOOK, "k13", "", Answer("app_3", "v8")),
        operation(15, Kind.BOOK, "k4", "", Answer("app_2", "v3")),
        operation(16, Kind.GET_PATIENT, "", "pat_1", status=Status.UNKNOWN, reason="UNAVAILABLE"),
    )
    events = (
        event(1, "app_1", Change.BOOKED),
        event(2, "app_1", Change.RESCHEDULED, 1200),
        event(3, "app_2", Change.BOOKED),
        event(4, "app_1", Change.CHECKED_IN, 1200),
        event(5, "app_2", Change.PATIENT_VERIFIED),
        event(6, "app_1", Change.COMPLETED, 1200),
        event(7, "app_2", Change.CANCELLED),
        event(8, "app_3", Change.BOOKED),
    )
    books = Books(
        appointments=(events[5].appointment, events[6].appointment, events[7].appointment),
        events=events,
        claims=(Claim("clm_1", "app_1", submitted=True, total=TOTAL, paid=82),),
        ledger=(
            *transaction("txn_1", Entered.CHARGE, TOTAL),
            *transaction("txn_2", Entered.TRANSFER, 7266),
            *transaction("txn_3", Entered.PAYMENT, 82),
            *transaction("txn_4", Entered.PAYMENT, 5, claim="clm_of_others"),
        ),
        filed={"pat_1": Filed(3, ("pat_1", "con_1", "con_2"))},
        feeds=(followed("one", *range(1, 9)), followed("two", *range(1, 9))),
    )
    return Told(tuple(operations), books)
