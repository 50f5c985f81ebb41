"""Each event of a feed has its effect exactly once."""

import itertools
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from mesh.persistence import Database, Entry, Follower, Periodic, new_id
from plexus.client import Inbound, inbound, working
from tests.mesh.persistence.clinic import OpenCall, events, record, recorded
from tests.mesh.persistence.dying_follower import LAST, POINTS, apply, feed

_ROOT = Path(__file__).parents[3]


def _wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


def _follower(
    database: Database,
    subscribe: Callable[[int], Iterator[int]] = feed,
    effect: Callable[[Connection, int], None] = apply,
) -> Follower[int]:
    return Follower(
        "billing", database, subscribe=subscribe, sequence_of=lambda event: event, apply=effect
    )


@pytest.mark.parametrize("point", POINTS)
def test_a_follower_killed_at_any_point_has_applied_each_event_once(
    clinic: Database, database_url: str, point: str
) -> None:
    killed = subprocess.run(
        [sys.executable, "-m", "tests.mesh.persistence.dying_follower", database_url, point],
        cwd=_ROOT,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    expected = [1, 2, 3] if point == "committed" else [1, 2]
    _wait_until(lambda: recorded(clinic) == expected)
    heir = _follower(clinic)
    heir.start()
    _wait_until(lambda: heir.cursor() == LAST)
    heir.stop()
    assert recorded(clinic) == list(range(1, LAST + 1))


def test_replicas_that_follow_the_same_feed_share_its_events(
    replicas: tuple[Database, Database],
) -> None:
    with replicas[0].write() as tx:
        events.append_all(tx, [b"event"] * 120)
    calls: list[OpenCall] = []

    def subscribe_through(database: Database) -> Callable[[int], Iterator[Entry]]:
        def subscribe(after: int) -> Iterator[Entry]:
            calls.append(OpenCall())
            return events.stream(database, after, calls[-1])

        return subscribe

    followers = [
        Follower[Entry](
            "billing",
            replica,
            subscribe=subscribe_through(replica),
            sequence_of=lambda entry: entry.sequence,
            apply=lambda tx, entry: record(tx, new_id("eff"), entry.sequence),
        )
        for replica in replicas * 2
    ]
    for follower in followers:
        follower.start()
    with replicas[1].write() as tx:
        events.append_all(tx, [b"event"] * 30)
    _wait_until(lambda: followers[0].cursor() == 150)
    for call in calls:
        call.cancel()
    for follower in followers:
        follower.stop()
    assert recorded(replicas[0]) == list(range(1, 151))


def test_an_event_that_cannot_be_applied_is_tried_again_and_nothing_is_skipped_or_told(
    clinic: Database, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = itertools.count(1)

    def stumble(tx: Connection, event: int) -> None:
        apply(tx, event)
        if event == 2 and next(attempts) < 3:
            raise ValueError("a secret of the payload")

    follower = _follower(clinic, effect=stumble)
    with caplog.at_level(logging.DEBUG):
        follower.start()
        _wait_until(lambda: follower.cursor() == LAST)
    follower.stop()
    assert recorded(clinic) == list(range(1, LAST + 1))
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text


def test_a_feed_that_breaks_off_is_taken_up_where_it_broke(clinic: Database) -> None:
    asked: list[int] = []

    def breaking(after: int) -> Iterator[int]:
        asked.append(after)
        yield from range(after + 1, min(after + 2, LAST) + 1)
        raise ConnectionError

    follower = _follower(clinic, breaking)
    follower.start()
    _wait_until(lambda: follower.cursor() == LAST)
    follower.stop()
    assert recorded(clinic) == list(range(1, LAST + 1))
    assert asked[:3] == [0, 2, 4]


def test_events_that_come_again_are_let_pass(clinic: Database) -> None:
    def repeating(after: int) -> Iterator[int]:
        yield from range(1, LAST + 1)
        yield from range(1, LAST + 1)

    follower = _follower(clinic, repeating)
    follower.start()
    _wait_until(lambda: follower.cursor() == LAST)
    follower.stop()
    assert recorded(clinic) == list(range(1, LAST + 1))


def test_batches_that_replicas_cut_differently_are_not_applied_twice(
    replicas: tuple[Database, Database],
) -> None:
    size = {replicas[0]: 2, replicas[1]: 5}

    def follow(replica: Database) -> Follower[tuple[int, ...]]:
        def subscribe(after: int) -> Iterator[tuple[int, ...]]:
            for first in range(after + 1, 101, size[replica]):
                yield tuple(range(first, min(first + size[replica], 101)))

        def effect(tx: Connection, batch: tuple[int, ...]) -> None:
            for event in batch:
                apply(tx, event)

        return Follower(
            "billing", replica, subscribe=subscribe, sequence_of=lambda it: it[-1], apply=effect
        )

    followers = [follow(replica) for replica in replicas]
    for follower in followers:
        follower.start()
    _wait_until(lambda: followers[0].cursor() == 100)
    for follower in followers:
        follower.stop()
    assert recorded(replicas[0]) == list(range(1, 101))


def test_a_task_works_in_the_name_of_whoever_started_it() -> None:
    seen: list[Inbound | None] = []
    done = threading.Event()

    def look() -> None:
        seen.append(inbound())
        done.set()

    task = Periodic("look", 60, look)
    work = Inbound(name="billing/look", calls={}, deadline=float("inf"))
    with working(work):
        task.start()
    assert done.wait(10)
    task.stop()
    assert seen == [work]


class _SilentCall:
    """A call on which nothing comes, until it is cancelled."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        self._cancelled.wait(60)
        raise StopIteration

    def cancel(self) -> None:
        self._cancelled.set()


def test_a_follower_waiting_on_a_silent_feed_stops_at_once_and_does_not_lag(
    clinic: Database,
) -> None:
    follower = _follower(clinic, lambda _: _SilentCall())
    follower.start()
    _wait_until(lambda: follower.lag() == 0)
    follower.stop()
    assert "billing" not in {thread.name for thread in threading.enumerate()}


def test_a_follower_that_cannot_reach_the_feed_lags(clinic: Database) -> None:
    def unreachable(after: int) -> Iterator[int]:
        raise ConnectionError

    follower = _follower(clinic, unreachable)
    follower.start()
    _wait_until(lambda: follower.lag() > 0.3)
    follower.stop()


def test_a_follower_that_keeps_up_with_a_feed_that_never_pauses_does_not_lag(
    clinic: Database,
) -> None:
    ended = threading.Event()

    def endless(after: int) -> Iterator[int]:
        for sequence in itertools.count(after + 1):
            if ended.wait(0.02):
                return
            yield sequence

    follower = Follower(
        "billing",
        clinic,
        subscribe=endless,
        sequence_of=lambda event: event,
        apply=lambda tx, event: None,
        time_of=lambda event: time.time(),
    )
    follower.start()
    began = time.monotonic()
    # Longer than a stream has to be silent to have told everything.
    _wait_until(lambda: time.monotonic() - began > 1.5 and follower.sequence > 10)
    assert follower.lag() < 1.0
    assert follower.failures == 0
    ended.set()
    follower.stop()


def test_a_periodic_task_survives_its_failures() -> None:
    turns = itertools.count(1)
    reached = threading.Event()

    def work() -> None:
        turn = next(turns)
        if turn == 3:
            reached.set()
        if turn < 3:
            raise ValueError

    task = Periodic("purge", 0.01, work)
    task.start()
    assert reached.wait(10)
    task.stop()
    assert "purge" not in {thread.name for thread in threading.enumerate()}
