"""Billing follows scheduling: one claim for each completed appointment, whatever happens on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import grpc
import pytest

from mesh.persistence import Database, Follower, migrate
from plexus.errors import Unavailable
from plexus.scheduling.v1.appointment_event_pb2 import AppointmentChange
from plexus.scheduling.v1.scheduling_service_pb2 import (
    StreamAppointmentEventsRequest,
    StreamAppointmentEventsResponse,
)
from services.billing.batches import Batches
from services.billing.claims_task import Batch, ClaimsTask
from services.billing.service import fee_schedule
from tests.services.billing.practice import BOOKED, Practice, told


class Feed:
    """Scheduling's feed: gives what happened after a cursor, then breaks or stays open."""

    def __init__(self, events: Iterable[StreamAppointmentEventsResponse]) -> None:
        self.events = list(events)
        self.asked_after: list[int] = []
        self.breaks_after: int | None = None
        self._ended = threading.Event()

    def __call__(
        self, request: StreamAppointmentEventsRequest
    ) -> Iterator[StreamAppointmentEventsResponse]:
        self.asked_after.append(request.after_sequence)
        for event in self.events:
            if event.event.sequence > request.after_sequence:
                yield event
            if event.event.sequence == self.breaks_after:
                self.breaks_after = None
                raise Unavailable(grpc.StatusCode.UNAVAILABLE)
        self._ended.wait(30)

    def end(self) -> None:
        """Let those go who wait for more."""
        self._ended.set()


def _following(feed: Feed, practice: Practice, database: Database) -> Follower[Batch]:
    task = ClaimsTask(feed, fee_schedule(), practice.clock)
    return task.follower(database)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.005)


def _follow(feed: Feed, practice: Practice, *followers: Follower[Batch]) -> None:
    """Run the followers until all that the feed has is applied."""
    last = feed.events[-1].event.sequence
    for follower in followers:
        follower.start()
    try:
        _until(lambda: followers[0].cursor() == last)
    finally:
        feed.end()
        for follower in followers:
            follower.stop()


def _charged(practice: Practice) -> int:
    return len(practice.entries()) // 2


def test_only_completed_appointments_are_claimed(practice: Practice) -> None:
    changes = AppointmentChange.values()[1:]
    feed = Feed(told(n, n, change=change) for n, change in enumerate(changes, 1))
    _follow(feed, practice, _following(feed, practice, practice.database))
    (claim,) = practice.claims()
    assert claim.appointment_id == feed.events[4].event.appointment.id
    assert practice.balance() == (9_082, 0, 9_082, 0)


def test_an_appointment_completed_twice_has_one_claim(practice: Practice) -> None:
    feed = Feed([told(1, 7), told(2, 7), told(3, 8), told(4, 7)])
    _follow(feed, practice, _following(feed, practice, practice.database))
    practice.complete(7, 8)
    assert len(practice.claims()) == 2
    assert _charged(practice) == 2


def test_a_broken_feed_is_resumed_where_it_broke(practice: Practice) -> None:
    feed = Feed(told(n, n) for n in range(1, 41))
    feed.breaks_after = 20
    _follow(feed, practice, _following(feed, practice, practice.database))
    assert feed.asked_after == [0, 20]
    assert len(practice.claims()) == 40


def test_a_replica_that_died_is_followed_by_one_that_begins_after_its_cursor(
    practice: Practice,
) -> None:
    feed = Feed(told(n, n) for n in range(1, 11))
    _follow(feed, practice, _following(feed, practice, practice.database))
    later = Feed([*feed.events, *(told(n, n) for n in range(11, 21))])
    _follow(later, practice, _following(later, practice, practice.database))
    assert later.asked_after == [10]
    assert len(practice.claims()) == 20


def test_a_failure_amid_a_batch_leaves_neither_claim_nor_cursor(practice: Practice) -> None:
    feed = Feed(told(n, n) for n in range(1, 6))
    task = ClaimsTask(feed, fee_schedule(), practice.clock)
    follower = task.follower(practice.database)
    failed = threading.Event()
    apply = task.apply

    def fail_first(tx: Any, batch: Batch) -> None:
        apply(tx, batch)
        if not failed.is_set():
            failed.set()
            assert practice.claims() == []
            raise RuntimeError("killed")

    task.apply = fail_first  # type: ignore[method-assign]
    follower = task.follower(practice.database)
    _follow(feed, practice, follower)
    assert failed.is_set()
    assert len(practice.claims()) == 5
    assert _charged(practice) == 5


def test_two_replicas_catch_up_on_a_thousand_appointments_and_claim_each_once(
    practice: Practice, database_url: str
) -> None:
    other = Database(database_url)
    migrate(other, "services.billing")
    events = [told(n, n, change=BOOKED) for n in range(1, 1001)]
    feed = Feed([*events, *(told(1000 + n, n) for n in range(1, 1001))])
    _follow(
        feed,
        practice,
        _following(feed, practice, practice.database),
        _following(feed, practice, other),
    )
    other.close()
    assert len({claim.appointment_id for claim in practice.claims()}) == 1000
    assert practice.balance() == (9_082_000, 0, 9_082_000, 0)


def test_batches_hold_everything_in_order_and_end_as_the_feed_ends() -> None:
    def feed() -> Iterator[int]:
        yield from range(1000)
        raise RuntimeError("broken")

    read: list[tuple[int, ...]] = []
    with pytest.raises(RuntimeError, match="broken"):
        read.extend(Batches(feed(), size=7))
    assert [event for batch in read for event in batch] == list(range(1000))
    assert max(map(len, read)) <= 7


def test_a_single_event_is_not_kept_waiting_for_more() -> None:
    more = threading.Event()

    def feed() -> Iterator[int]:
        yield 1
        more.wait(30)

    batches = iter(Batches(feed()))
    assert next(batches) == (1,)
    more.set()
    assert list(batches) == []


def test_batches_that_nobody_reads_any_more_cancel_their_feed() -> None:
    class Endless:
        def __init__(self) -> None:
            self.cancelled = threading.Event()

        def __iter__(self) -> Iterator[int]:
            while not self.cancelled.is_set():
                yield 1
            raise RuntimeError("cancelled")

        def cancel(self) -> None:
            self.cancelled.set()

    feed = Endless()
    batches = Batches(feed, size=2)
    reading = iter(batches)
    assert 1 <= len(next(reading)) <= 2
    batches.cancel()
    assert feed.cancelled.is_set()
