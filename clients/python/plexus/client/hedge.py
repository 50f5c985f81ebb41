"""Sends a call that is not answered in time a second time: the first answer wins, the others are called off.

This is what survives a replica that hangs: a retry needs a failure, and a hang gives none before the
deadline. C-core has no hedging. A call is made as an exchange, which can be cancelled from another
thread and costs no more than a blocking call; a second look at it is taken by one thread for the whole
channel, so a call that is answered in time pays for a dictionary entry only.
"""

from __future__ import annotations

import threading
import time
from bisect import insort
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc

from plexus.client.attempts import Attempt, tell_first
from plexus.client.counts import Counts
from plexus.client.exchange import Begin
from plexus.client.outgoing import Outgoing, Send
from plexus.client.tuning import Tuning
from plexus.contract import Method

_WINDOW: Final = 128
_ENOUGH: Final = 20
_QUANTILE: Final = 0.95
_TICK: Final = 0.005
_THREADS: Final = 32

NO_ANSWER: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)
"""What an attempt may end with while another may still be answered. Anything else is an answer,
a refusal too: the service has looked at the call and said no."""


class Patience:
    """How long a method's calls usually take: the delay after which one is late, in seconds."""

    def __init__(self, floor: float, first: float, counts: Counts) -> None:
        self._floor = floor
        self.counts = counts
        self._recent: deque[float] = deque(maxlen=_WINDOW)
        self._sorted: list[float] = []
        self._lock = threading.Lock()
        self.delay = counts.late_after = first

    def learn(self, seconds: float) -> None:
        """Note how long an answered attempt took."""
        if not self._lock.acquire(blocking=False):
            # A sample less is cheaper than a caller that waits.
            return
        try:
            if len(self._recent) == _WINDOW:
                self._sorted.remove(self._recent[0])
            self._recent.append(seconds)
            insort(self._sorted, seconds)
            if len(self._sorted) >= _ENOUGH:
                late = self._sorted[int(len(self._sorted) * _QUANTILE)]
                self.delay = self.counts.late_after = max(self._floor, late)
        finally:
            self._lock.release()


class Race:
    """The attempts of one call."""

    __slots__ = (
        "begin",
        "denied",
        "due",
        "ended",
        "first",
        "launched",
        "out",
        "patience",
        "refusal",
        "response",
        "rivals",
        "running",
    )

    def __init__(self, begin: Begin, out: Outgoing, patience: Patience, due: float, ended: float):
        self.begin = begin
        self.out = out
        self.patience = patience
        self.due = due
        self.ended = ended
        self.first: Any = None
        self.rivals: list[Any] = []
        self.launched = 0
        self.denied = False
        self.running = 0
        self.response: Any = None
        self.refusal: grpc.RpcError | None = None

    def is_answered(self) -> bool:
        """Whether a rival has an answer."""
        return self.response is not None or self.refusal is not None

    def remaining(self) -> float:
        """Seconds until the call's deadline."""
        return self.ended - time.monotonic()


class Hedging:
    """The races of one channel, their budget, and the thread that sees who is late."""

    def __init__(self, tuning: Tuning) -> None:
        self._tuning = tuning
        self._armed: dict[int, Race] = {}
        self._settled = threading.Condition()
        self._awake = threading.Event()
        self._started = threading.Lock()
        self._rivals: ThreadPoolExecutor | None = None
        self._tokens = tuning.hedge_start
        self._closed = False

    def hedged(self, method: Method, begin: Begin, counts: Counts) -> Send:
        """What makes calls of *method*, hedged."""
        floor = self._tuning.hedge_floor
        patience = Patience(floor, max(floor, method.deadline / 4), counts)
        return lambda out: self._send(begin, out, patience)

    def close(self) -> None:
        """End the thread and the attempts' pool."""
        self._closed = True
        self._awake.set()
        if self._rivals is not None:
            self._rivals.shutdown(wait=False)

    def _send(self, begin: Begin, out: Outgoing, patience: Patience) -> Any:
        started = time.monotonic()
        self._tokens = min(self._tuning.hedge_reserve, self._tokens + self._tuning.hedge_budget)
        race = Race(begin, out, patience, started + patience.delay, started + (out.timeout or 0.0))
        race.first = begin(out.request, out.timeout, out.metadata)
        self._arm(race)
        try:
            response = race.first.take()
        except grpc.RpcError as error:
            self._armed.pop(id(race), None)
            return self._rescued(race, error, started)
        self._armed.pop(id(race), None)
        patience.learn(time.monotonic() - started)
        if race.launched:
            self._call_off(race)
            tell_first(out, started, None, won=True)
        return response

    def _arm(self, race: Race) -> None:
        self._armed[id(race)] = race
        if not self._awake.is_set():
            if self._rivals is None:
                self._start()
            self._awake.set()

    def _start(self) -> None:
        with self._started:
            if self._rivals is None:
                self._rivals = ThreadPoolExecutor(_THREADS, thread_name_prefix="hedge")
                threading.Thread(target=self._watch, name="hedging", daemon=True).start()

    def _watch(self) -> None:
        while not self._closed:
            if not self._armed:
                self._awake.clear()
                if not self._armed:
                    self._awake.wait()
            time.sleep(_TICK)
            now = time.monotonic()
            for race in list(self._armed.values()):
                if race.due <= now:
                    self._launch(race, now)

    def _launch(self, race: Race, now: float) -> None:
        with self._settled:
            if race.launched >= self._tuning.hedge_rivals:
                race.due = float("inf")
                return
            if self._tokens < 1:
                self._deny(race)
                return
            self._tokens -= 1
            race.patience.counts.hedged += 1
            race.launched += 1
            race.running += 1
        race.due = now + race.patience.delay
        if self._rivals is not None and not self._closed:
            self._rivals.submit(self._rival, race, race.launched + 1)

    def _deny(self, race: Race) -> None:
        # It is looked at again and again, and counts once.
        if not race.denied:
            race.denied = True
            race.patience.counts.over_budget += 1

    def _rival(self, race: Race, number: int) -> None:
        response = refusal = failure = None
        told = Attempt(race.out, number)
        try:
            attempt = race.begin(race.out.request, max(0.0, race.remaining()), told.metadata)
            with self._settled:
                race.rivals.append(attempt)
            response = attempt.take()
        except grpc.RpcError as error:
            # A rival without an answer is nobody's failure: the first attempt tells.
            failure, refusal = error, error if _is_answer(error) else None
        finally:
            with self._settled:
                race.running -= 1
                answered = (response, refusal) != (None, None)
                wins = answered and not race.is_answered()
                if wins:
                    race.response, race.refusal = response, refusal
                self._settled.notify_all()
            told.end(failure, answered=answered, won=wins)
        if wins:
            race.first.cancel()

    def _rescued(self, race: Race, error: grpc.RpcError, started: float) -> Any:
        """The answer of a rival, when the first attempt had none; else *error*."""
        with self._settled:
            if not _is_answer(error):
                self._settled.wait_for(
                    lambda: race.is_answered() or not race.running,
                    max(0.0, race.remaining()),
                )
            response, refusal = race.response, race.refusal
        self._call_off(race)
        if race.launched:
            tell_first(race.out, started, error, won=_is_answer(error))
        if refusal is not None:
            raise refusal
        if response is None:
            raise error
        race.patience.counts.rescued += 1
        return response

    def _call_off(self, race: Race) -> None:
        with self._settled:
            rivals = tuple(race.rivals)
        for attempt in rivals:
            attempt.cancel()


def _is_answer(error: grpc.RpcError) -> bool:
    call: Any = error
    return call.code() not in NO_ANSWER
