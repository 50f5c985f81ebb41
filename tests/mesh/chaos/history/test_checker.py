"""The checker finds every kind of broken promise, and nothing in a history that keeps them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from mesh.chaos.history.books import Books, Change, Entered, Filed
from mesh.chaos.history.checker import Invariant, check
from mesh.chaos.history.operation import Answer, Kind, Status
from tests.mesh.chaos.history.histories import (
    TOTAL,
    Told,
    appointment,
    event,
    followed,
    operation,
    sound,
    transaction,
)

Plant = Callable[[Told], Told]


def _last_event(told: Told, change: Change, name: str = "app_3", start: int = 600) -> Told:
    """With one more event, the row changed by it, and everybody having seen it."""
    more = event(9, name, change, start)
    rows = tuple(row for row in told.books.appointments if row.id != name)
    return told.with_books(
        events=(*told.books.events, more),
        appointments=(*rows, more.appointment),
        feeds=(followed("one", *range(1, 10)), followed("two", *range(1, 10))),
    )


def _told_last_event(told: Told, kind: Kind, change: Change, name: str, start: int) -> Told:
    answered = operation(20, kind, "k20", name, Answer(name, "v9"))
    return _last_event(told, change, name, start).with_operations(answered)


def _reordered_sale(told: Told) -> Told:
    """app_2 is booked while app_1 still holds that time; in the end nothing shows."""
    events = list(told.books.events)
    events[1] = event(2, "app_2", Change.BOOKED)
    events[2] = event(3, "app_1", Change.RESCHEDULED, 1200)
    return (
        told.with_books(events=tuple(events))
        .instead("k3", answer=Answer("app_1", "v3"))
        .instead("k4", answer=Answer("app_2", "v2"))
        .instead("", status=Status.UNKNOWN)
    )


PLANTED: list[tuple[str, Invariant, Plant]] = [
    (
        "a booking that was acknowledged is nowhere",
        Invariant.WRITE_LOST,
        lambda t: t.with_operations(operation(20, Kind.BOOK, "x", "", Answer("app_9", "v99"))),
    ),
    (
        "a change that was acknowledged was taken back",
        Invariant.WRITE_LOST,
        lambda t: t.with_operations(
            operation(20, Kind.CANCEL, "x", "app_3", Answer("app_3", "vx"))
        ),
    ),
    (
        "an appointment vanished that is in the feed",
        Invariant.WRITE_LOST,
        lambda t: t.with_books(appointments=t.books.appointments[:2]),
    ),
    (
        "an appointment is older than its last event",
        Invariant.WRITE_LOST,
        lambda t: t.with_books(
            appointments=(*t.books.appointments[:2], appointment("app_3", "v0", Change.BOOKED))
        ),
    ),
    (
        "a submission that was acknowledged is not there",
        Invariant.WRITE_LOST,
        lambda t: t.with_books(claims=(replace(t.books.claims[0], submitted=False),)),
    ),
    (
        "a payment that was acknowledged is not entered",
        Invariant.WRITE_LOST,
        lambda t: t.with_operations(
            operation(20, Kind.PAY, "x", "clm_1", Answer("clm_1", "pay_2", 9), amount=9)
        ),
    ),
    (
        "a claim is not charged",
        Invariant.WRITE_LOST,
        lambda t: t.with_books(ledger=t.books.ledger[2:]),
    ),
    (
        "a booking happened that nobody was told of",
        Invariant.EFFECT_DOUBLED,
        lambda t: _last_event(t, Change.BOOKED, "app_9", 9000),
    ),
    (
        "a refused booking happened after all",
        Invariant.EFFECT_DOUBLED,
        lambda t: t.instead("k13", status=Status.FAILED, answer=None, reason="SLOT_TAKEN"),
    ),
    (
        "an appointment is there without an event",
        Invariant.EFFECT_DOUBLED,
        lambda t: t.with_books(
            appointments=(
                *t.books.appointments,
                appointment("app_9", "v9", Change.BOOKED, 9000),
            )
        ),
    ),
    (
        "an appointment was completed twice, and both were told so",
        Invariant.EFFECT_DOUBLED,
        lambda t: _told_last_event(t, Kind.COMPLETE, Change.COMPLETED, "app_1", 1200),
    ),
    (
        "an appointment was moved after it was called off",
        Invariant.EFFECT_DOUBLED,
        lambda t: _told_last_event(t, Kind.RESCHEDULE, Change.RESCHEDULED, "app_2", 9000),
    ),
    (
        "a payment was entered twice",
        Invariant.EFFECT_DOUBLED,
        lambda t: t.with_books(
            ledger=(*t.books.ledger, *transaction("txn_9", Entered.PAYMENT, 82)),
            claims=(replace(t.books.claims[0], paid=164),),
        ),
    ),
    (
        "a claim was charged twice",
        Invariant.EFFECT_DOUBLED,
        lambda t: t.with_books(
            ledger=(*t.books.ledger, *transaction("txn_9", Entered.CHARGE, TOTAL))
        ),
    ),
    (
        "a claim was submitted by two requests",
        Invariant.EFFECT_DOUBLED,
        lambda t: t.with_operations(operation(20, Kind.SUBMIT, "x", "clm_1", Answer("clm_1"))),
    ),
    (
        "a claim is submitted that nobody submitted",
        Invariant.EFFECT_DOUBLED,
        lambda t: t.without("k10"),
    ),
    (
        "a resource was told of as new twice",
        Invariant.EFFECT_DOUBLED,
        lambda t: t.with_books(filed={"pat_1": Filed(3, ("pat_1", "con_1", "con_2", "con_2"))}),
    ),
    (
        "a repeated request got another answer",
        Invariant.ANSWER_CHANGED,
        lambda t: t.with_operations(operation(20, Kind.BOOK, "k4", "", Answer("app_3", "v8"))),
    ),
    (
        "a request's outcome was never found out",
        Invariant.OUTCOME_UNSETTLED,
        lambda t: t.with_operations(
            operation(20, Kind.BOOK, "x", "", status=Status.UNKNOWN, reason="UNAVAILABLE")
        ),
    ),
    (
        "two appointments hold one time in the end",
        Invariant.SLOT_BOOKED_TWICE,
        lambda t: _told_last_event(t, Kind.RESCHEDULE, Change.RESCHEDULED, "app_3", 1500),
    ),
    (
        "two appointments held one time for a while",
        Invariant.SLOT_BOOKED_TWICE,
        _reordered_sale,
    ),
    (
        "a completed appointment is not claimed",
        Invariant.CLAIMED_ONCE,
        lambda t: (
            t.with_books(claims=(), ledger=())
            .without("k10")
            .without("k11")
            .instead("", status=Status.UNKNOWN)
        ),
    ),
    (
        "a completed appointment is claimed twice",
        Invariant.CLAIMED_ONCE,
        lambda t: t.with_books(
            claims=(
                *t.books.claims,
                replace(t.books.claims[0], id="clm_2", submitted=False, paid=0),
            ),
            ledger=(*t.books.ledger, *transaction("txn_9", Entered.CHARGE, TOTAL, "clm_2")),
        ),
    ),
    (
        "an appointment that was not completed is claimed",
        Invariant.CLAIMED_ONCE,
        lambda t: t.with_books(
            claims=(
                *t.books.claims,
                replace(
                    t.books.claims[0], id="clm_2", appointment="app_3", submitted=False, paid=0
                ),
            ),
            ledger=(*t.books.ledger, *transaction("txn_9", Entered.CHARGE, TOTAL, "clm_2")),
        ),
    ),
    (
        "two claims were seen for a moment",
        Invariant.CLAIMED_ONCE,
        lambda t: t.with_operations(
            operation(20, Kind.FIND_CLAIM, "", "app_1", Answer("clm_1", amount=2))
        ),
    ),
    (
        "a transaction does not sum to zero",
        Invariant.LEDGER_UNBALANCED,
        lambda t: t.with_books(ledger=t.books.ledger[:-1]),
    ),
    (
        "a transaction's halves went apart, and the whole sums to zero",
        Invariant.LEDGER_UNBALANCED,
        lambda t: t.with_books(
            ledger=(*t.books.ledger[:-1], replace(t.books.ledger[-1], transaction="txn_9"))
        ),
    ),
    (
        "a claim counts as paid what the ledger does not have",
        Invariant.LEDGER_UNBALANCED,
        lambda t: t.with_books(claims=(replace(t.books.claims[0], paid=164),)),
    ),
    (
        "a follower missed an event",
        Invariant.FEED_BROKEN,
        lambda t: t.with_books(
            feeds=(t.books.feeds[0], followed("two", 1, 2, 3, 5, 6, 7, 8)),
        ),
    ),
    (
        "a follower got an event twice",
        Invariant.FEED_BROKEN,
        lambda t: t.with_books(
            feeds=(t.books.feeds[0], followed("two", 1, 2, 2, 3, 4, 5, 6, 7, 8)),
        ),
    ),
    (
        "a follower got two events the wrong way round",
        Invariant.FEED_BROKEN,
        lambda t: t.with_books(
            feeds=(t.books.feeds[0], followed("two", 1, 3, 2, 4, 5, 6, 7, 8)),
        ),
    ),
    (
        "a follower never got the last events",
        Invariant.FEED_BROKEN,
        lambda t: t.with_books(feeds=(t.books.feeds[0], followed("two", *range(1, 7)))),
    ),
    (
        "a number was given to another event later",
        Invariant.FEED_BROKEN,
        lambda t: t.with_books(
            feeds=(t.books.feeds[0], followed("two", *range(1, 9), digest=11)),
        ),
    ),
    (
        "an import lacks a resource",
        Invariant.IMPORT_INCOMPLETE,
        lambda t: t.with_books(filed={"pat_1": Filed(2, ("pat_1", "con_1", "con_2"))}),
    ),
    (
        "an import did not tell of a resource",
        Invariant.IMPORT_INCOMPLETE,
        lambda t: t.with_books(filed={"pat_1": Filed(3, ("pat_1", "con_1"))}),
    ),
    (
        "an import that was acknowledged left nothing",
        Invariant.IMPORT_INCOMPLETE,
        lambda t: t.with_books(filed={}),
    ),
    (
        "a patient who was imported is not found",
        Invariant.READ_STALE,
        lambda t: t.with_operations(
            operation(20, Kind.GET_PATIENT, "", "pat_1", reason="PATIENT_NOT_FOUND")
        ),
    ),
    (
        "an appointment is read as it was before an acknowledged change",
        Invariant.READ_STALE,
        lambda t: t.with_operations(
            operation(20, Kind.GET_APPOINTMENT, "", "app_1", Answer("app_1", "v4"))
        ),
    ),
    (
        "an appointment goes back in time between two reads",
        Invariant.READ_STALE,
        lambda t: (
            t.with_operations(
                operation(20, Kind.GET_APPOINTMENT, "", "app_2", Answer("app_2", "v5")),
            )
            .instead("k8", began=4.9, ended=30.0)
            .with_operations(
                operation(21, Kind.GET_APPOINTMENT, "", "app_2", Answer("app_2", "v3")),
            )
        ),
    ),
    (
        "an appointment is read as it never was",
        Invariant.READ_STALE,
        lambda t: t.with_operations(
            operation(20, Kind.GET_APPOINTMENT, "", "app_1", Answer("app_1", "v77"))
        ),
    ),
    (
        "a claim is read without a payment that was acknowledged",
        Invariant.READ_STALE,
        lambda t: t.with_operations(
            operation(20, Kind.GET_CLAIM, "", "clm_1", Answer("clm_1", amount=0))
        ),
    ),
    (
        "a claim is read with a payment that was not made yet",
        Invariant.READ_STALE,
        lambda t: t.with_operations(
            operation(10.7, Kind.GET_CLAIM, "", "clm_1", Answer("clm_1", amount=164))
        ),
    ),
]

HARMLESS: list[tuple[str, Plant]] = [
    ("everything as it should be", lambda t: t),
    ("nothing at all", lambda _: Told((), Books())),
    (
        "an old version is read while the change is on its way",
        lambda t: t.with_operations(
            operation(8.2, Kind.GET_APPOINTMENT, "", "app_2", Answer("app_2", "v5"), ended=9.0)
        ),
    ),
    (
        "a new version is read before the one who made it hears of it",
        lambda t: t.instead("k8", ended=30.0).with_operations(
            operation(12, Kind.GET_APPOINTMENT, "", "app_2", Answer("app_2", "v7"))
        ),
    ),
    (
        "a payment is seen before the payer hears of it",
        lambda t: t.instead("k11", ended=30.0),
    ),
    (
        "a request of unknown outcome turns out to be refused",
        lambda t: t.with_operations(
            operation(20, Kind.BOOK, "x", "", status=Status.UNKNOWN, reason="UNAVAILABLE"),
            operation(21, Kind.BOOK, "x", "", reason="SLOT_TAKEN"),
        ),
    ),
    (
        "a time is taken at the moment it becomes free",
        lambda t: _told_last_event(t, Kind.BOOK, Change.BOOKED, "app_9", 1800),
    ),
]


@pytest.mark.parametrize(
    ("invariant", "plant"), [case[1:] for case in PLANTED], ids=[case[0] for case in PLANTED]
)
def test_a_planted_violation_is_found(invariant: Invariant, plant: Plant) -> None:
    planted = plant(sound())
    assert {found.invariant for found in check(planted.operations, planted.books)} >= {invariant}


@pytest.mark.parametrize(
    "plant", [case[1] for case in HARMLESS], ids=[case[0] for case in HARMLESS]
)
def test_a_history_that_keeps_every_promise_passes(plant: Plant) -> None:
    planted = plant(sound())
    assert [str(found) for found in check(planted.operations, planted.books)] == []


def test_every_invariant_is_planted() -> None:
    assert {invariant for _, invariant, _ in PLANTED} == set(Invariant)


def test_the_order_in_which_a_history_is_written_down_does_not_matter() -> None:
    told = sound()
    backwards = told.with_books(
        events=told.books.events[::-1], appointments=told.books.appointments[::-1]
    )
    assert check(told.operations[::-1], backwards.books) == []
