"""A follower that is killed at a given point of its third event: `URL POINT`."""

import os
import signal
import sys
import threading
from collections.abc import Iterator

from sqlalchemy import Connection

from mesh.persistence import Database, Follower, new_id
from tests.mesh.persistence.clinic import record

POINTS = ("received", "begun", "applied", "committed")
LAST = 6
_FATAL = 3


def feed(after: int) -> Iterator[int]:
    """The events of the feed: their own sequences."""
    yield from range(after + 1, LAST + 1)


def apply(tx: Connection, event: int) -> None:
    """Leaves an effect under an id of its own, so that a second one would be seen."""
    record(tx, new_id("eff"), event)


def _die(point: str, event: int) -> None:
    if sys.argv[2] == point and event == _FATAL:
        os.kill(os.getpid(), signal.SIGKILL)


def _deadly_feed(after: int) -> Iterator[int]:
    for event in feed(after):
        yield event
        _die("committed", event)


def _sequence_of(event: int) -> int:
    _die("received", event)
    return event


def _apply(tx: Connection, event: int) -> None:
    _die("begun", event)
    apply(tx, event)
    _die("applied", event)


if __name__ == "__main__":
    Follower(
        "billing",
        Database(sys.argv[1]),
        subscribe=_deadly_feed,
        sequence_of=_sequence_of,
        apply=_apply,
    ).start()
    threading.Event().wait(30)
