"""Applies the events of another service's feed, each exactly once.

The cursor moves in the transaction of the effect, by compare-and-set: of several replicas that
follow the same feed one moves it and applies the event, the others see that it has moved and go on.
Whatever dies, whenever, the cursor tells the truth about the effects.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection

from mesh.persistence.causes import following
from mesh.persistence.database import Database
from mesh.persistence.schema import cursors
from mesh.persistence.worker import Worker, describe

E = TypeVar("E")

_log = logging.getLogger(__name__)

# Seconds: the first pause after a failure, and the longest.
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0
# An open stream that has been silent for so many seconds has nothing more to tell.
_QUIET: Final = 1.0

_OPEN: Final = sa.text(
    "INSERT INTO cursors (follower, sequence) VALUES (:name, 0) ON CONFLICT DO NOTHING"
)


class Follower(Generic[E]):
    """Follows one feed in a daemon thread.

    *subscribe* is given the last sequence applied and returns the events after it, in order; when
    that is a gRPC call (anything with a `cancel`), `stop` cancels it. An event may be a batch:
    *sequence_of* tells where it ends. *apply* makes the effect
    in the transaction it is given, and does nothing outside it: it may run again after a failure.
    An event whose *apply* fails is tried again, with growing pauses, and never skipped.
    *time_of* tells when an event happened, in Unix seconds; without it `lag` cannot tell a feed that
    never pauses from one that cannot be kept up with. *causes_of* tells the trace contexts of the calls
    that led to an event.
    """

    def __init__(
        self,
        name: str,
        database: Database,
        *,
        subscribe: Callable[[int], Iterable[E]],
        sequence_of: Callable[[E], int],
        apply: Callable[[Connection, E], None],
        time_of: Callable[[E], float] | None = None,
        causes_of: Callable[[E], Iterable[str]] = lambda _: (),
    ) -> None:
        self.name = name
        self._database = database
        self._subscribe = subscribe
        self._sequence_of = sequence_of
        self._apply = apply
        self._time_of = time_of
        self._causes_of = causes_of
        self._worker = Worker(name, self._run)
        self._mine = cursors.c.follower == name
        self._call: object = None
        self._cursor = 0
        self._failures = 0
        self._waiting_since: float | None = None
        self._up_to_date = time.monotonic()

    def start(self) -> None:
        """Begins to follow."""
        self._up_to_date = time.monotonic()
        self._worker.start()

    def stop(self) -> None:
        """Ends after the event in progress."""
        self._worker.ask_to_stop()
        _cancel(self._call)
        self._worker.stop()

    def cursor(self) -> int:
        """The sequence of the last event applied by any replica; 0 before the first."""
        with self._database.read() as tx:
            return tx.execute(sa.select(cursors.c.sequence).where(self._mine)).scalar() or 0

    @property
    def sequence(self) -> int:
        """The last event applied, as this replica knows it; see `cursor`."""
        return self._cursor

    @property
    def failures(self) -> int:
        """How often in a row it had to begin again without having got any further."""
        return 0 if self._is_quiet() else self._failures

    def lag(self) -> float:
        """Seconds since everything told so far was applied, as far as is known here: 0 while the
        stream is open and silent, growing while it is broken or events queue up."""
        return 0.0 if self._is_quiet() else time.monotonic() - self._up_to_date

    def _is_quiet(self) -> bool:
        waiting_since = self._waiting_since
        return waiting_since is not None and time.monotonic() - waiting_since > _QUIET

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            before = self._cursor
            try:
                self._follow(stopping)
                error = None
            except Exception as caught:  # noqa: BLE001 (every failure is waited out)
                error = caught
            self._waiting_since = None
            if stopping.is_set():
                return
            self._failures = 1 if self._cursor > before else self._failures + 1
            pause = _pause(self._failures)
            if error is not None and self._failures == 1:
                _log.warning(
                    "%s stopped after %d: %s; again in %.1f s, then ever more rarely",
                    self.name,
                    self._cursor,
                    describe(error),
                    pause,
                )
            stopping.wait(pause)

    def _follow(self, stopping: threading.Event) -> None:
        with self._database.write() as tx:
            tx.execute(_OPEN, {"name": self.name})
        self._cursor = self.cursor()
        events = self._call = self._subscribe(self._cursor)
        if stopping.is_set():
            # `stop` may have looked for the call before it was there.
            _cancel(events)
        try:
            self._waiting_since = time.monotonic()
            for event in events:
                self._note_arrival()
                if stopping.is_set():
                    return
                if not self._apply_once(event):
                    return
                self._waiting_since = time.monotonic()
        finally:
            # An abandoned stream would hold a thread of the other side.
            _cancel(events)
            self._call = None

    def _note_arrival(self) -> None:
        waited_since, self._waiting_since = self._waiting_since, None
        now = time.monotonic()
        if waited_since is not None and now - waited_since > _QUIET:
            self._up_to_date = now

    def _apply_once(self, event: E) -> bool:
        """Whether the stream still goes on where the cursor is."""
        sequence = self._sequence_of(event)
        if sequence <= self._cursor:
            return True
        self._cursor = self._database.transact(lambda tx: self._advance(tx, event, sequence))
        self._note_applied(event)
        # Elsewhere, another replica is ahead, and an event here may be several (a batch) of which
        # it has applied some: the feed is asked again from there.
        return self._cursor == sequence

    def _note_applied(self, event: E) -> None:
        self._failures = 0
        if self._time_of is not None:
            age = max(0.0, time.time() - self._time_of(event))
            self._up_to_date = max(self._up_to_date, time.monotonic() - age)

    def _advance(self, tx: Connection, event: E, sequence: int) -> int:
        """Applies the event unless another replica has moved the cursor; returns the cursor."""
        here = self._mine & (cursors.c.sequence == self._cursor)
        if tx.execute(sa.update(cursors).where(here).values(sequence=sequence)).rowcount:
            with following(self.name, self._causes_of(event)):
                self._apply(tx, event)
            return sequence
        moved: int = tx.execute(sa.select(cursors.c.sequence).where(self._mine)).scalar_one()
        return moved


def _pause(failures: int) -> float:
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures, 16))
    return random.uniform(longest / 2, longest)  # noqa: S311 (jitter)


def _cancel(call: object) -> None:
    cancel = getattr(call, "cancel", None)
    if callable(cancel):
        cancel()
