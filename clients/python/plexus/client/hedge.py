"""Sends a call that is not answered in time a second time: the first answer wins, the others are called off.

This is what survives a replica that hangs: a retry needs a failure, and a hang gives none before the
deadline. C-core has no hedging. A call is made as an exchange, which can be cancelled from another
thread and costs no more than a blocking call; a second look at it is taken by one thread for the whole
channel, so a call that is answered in time pays for a dictionary entry only.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from time import monotonic
from typing import Any, Final

import grpc

from plexus.client.attempts import Attempt, tell_first
from plexus.client.counts import Counts
from plexus.client.exchange import Begin, Exchange
from plexus.client.outgoing import Outgoing, Send
from plexus.client.tuning import Tuning
from plexus.contract import Method

_WINDOW: Final = 128
_ENOUGH: Final = 16
_QUANTILE: Final = 0.95
_AGAIN: Final = 0.005
_SHORTEST: Final = 0.001
_THREADS: Final = 32
_LAST_SHARE: Final = 0.6
"""How much of its time a call has used when its last rival is sent."""

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
        self._answered = count(1)
        self._recent: deque[float] = deque(maxlen=_WINDOW)
        self.delay = counts.late_after = first

    def learn(self, seconds: float) -> None:
        """Note how long an answered attempt took."""
        # Without a lock: each of these is a single step, whoever comes between.
        self._recent.append(seconds)
        if next(self._answered) % _ENOUGH == 0:
            recent = sorted(self._recent.copy())
            late = recent[int(len(recent) * _QUANTILE)]
            self.delay = self.counts.late_after = max(self._floor, late)


class Race:
    """The attempts of one call. Most have a single one, and nothing further of their own."""

    launched = 0
    denied = False
    running = 0
    rivals: tuple[Exchange, ...] = ()
    response: Any = None
    refusal: grpc.RpcError | None = None

    def __init__(self, begin: Begin, out: Outgoing, patience: Patience, started: float) -> None:
        self.begin = begin
        self.out = out
        self.patience = patience
        self.started = started
        self.due = started + patience.delay
        self.first = begin(out.request, out.timeout, out.metadata)

    def is_answered(self) -> bool:
        """Whether a rival has an answer."""
        return self.response is not None or self.refusal is not None

    def remaining(self) -> float:
        """Seconds until the call's deadline."""
        return max(0.0, self.started + (self.out.timeout or 0.0) - monotonic())


class Hedging:
    """The races of one channel, their budget, and the thread that sees who is late."""

    def __init__(self, tuning: Tuning) -> None:
        self._tuning = tuning
        self._armed: dict[int, Race] = {}
        self._settled = threading.Condition()
        self._asleep = True
        self._awake = threading.Event()
        self._started = threading.Lock()
        self._rivals: ThreadPoolExecutor | None = None
        self._tokens = tuning.hedge_start
        self._closed = False

    def hedged(self, method: Method, begin: Begin, counts: Counts) -> Send:
        """What makes calls of *method*, hedged."""
        floor = self._tuning.hedge_floor
        patience = Patience(floor, max(floor, method.deadline / 4), counts)
        armed, learn = self._armed, patience.learn
        budget, reserve = self._tuning.hedge_budget, self._tuning.hedge_reserve

        def send(out: Outgoing) -> Any:
            started = monotonic()
            self._tokens = min(reserve, self._tokens + budget)
            race = Race(begin, out, patience, started)
            key = id(race)
            armed[key] = race
            if self._asleep:
                self._wake()
            try:
                response = race.first.take()
            except grpc.RpcError as error:
                armed.pop(key, None)
                return self._rescued(race, error)
            del armed[key]
            learn(monotonic() - started)
            if race.launched:
                self._call_off(race)
                tell_first(out, started, None, won=True)
            return response

        return send

    def close(self) -> None:
        """End the thread and the attempts' pool."""
        self._closed = True
        self._awake.set()
        if self._rivals is not None:
            self._rivals.shutdown(wait=False)

    def _wake(self) -> None:
        self._asleep = False
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
                self._doze()
            now = monotonic()
            # What comes meanwhile is due after the floor at the earliest.
            wait = self._tuning.hedge_floor
            for race in list(self._armed.values()):
                if race.due <= now:
                    self._launch(race, now)
                # One that was denied is still due, and looked at again.
                wait = min(wait, race.due - now if race.due > now else _AGAIN)
            time.sleep(max(wait, _SHORTEST))

    def _doze(self) -> None:
        self._awake.clear()
        self._asleep = True
        if not self._armed and not self._closed:
            self._awake.wait()
        self._asleep = False

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
            is_last_next = race.launched == self._tuning.hedge_rivals - 1
        race.due = now + race.patience.delay
        if is_last_next:
            # All before may have met the one replica that hangs; by then it has been ejected.
            race.due = max(race.due, race.started + (race.out.timeout or 0.0) * _LAST_SHARE)
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
            attempt = race.begin(race.out.request, race.remaining(), told.metadata)
            with self._settled:
                race.rivals += (attempt,)
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

    def _rescued(self, race: Race, error: grpc.RpcError) -> Any:
        """The answer of a rival, when the first attempt had none; else *error*."""
        with self._settled:
            if not _is_answer(error):
                self._settled.wait_for(
                    lambda: race.is_answered() or not race.running,
                    race.remaining(),
                )
            response, refusal = race.response, race.refusal
        self._call_off(race)
        if race.launched:
            tell_first(race.out, race.started, error, won=_is_answer(error))
        if refusal is not None:
            raise refusal
        if response is None:
            raise error
        race.patience.counts.rescued += 1
        return response

    def _call_off(self, race: Race) -> None:
        with self._settled:
            rivals = race.rivals
        for attempt in rivals:
            attempt.cancel()


def _is_answer(error: grpc.RpcError) -> bool:
    call: Any = error
    return call.code() not in NO_ANSWER
