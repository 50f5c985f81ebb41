"""Kills, restarts and freezes processes, in an order that the seed decides."""

from __future__ import annotations

import heapq
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from plexus.mesh.v1.runtime_service_pb2 import Process

FREEZES = (0.3, 2.5)
"""Seconds that a process is stopped for, from the shortest to the longest."""

_WHOLE_SERVICE = 0.1
_RESTARTS = 0.12
_FREEZES = 0.2
_JITTER = 0.6

GAPS_A_KILL = 1.08
"""How many mean gaps a kill takes: what is not a kill comes in between, a whole service counts twice."""

_PATIENCE = 5.0
_POLL = 0.1


class Action(Enum):
    """What is done to a process."""

    KILL = "SIGKILL"
    RESTART = "SIGTERM"
    FREEZE = "SIGSTOP"


@dataclass(frozen=True, slots=True)
class Strike:
    """One blow: *after* so many mean gaps since the last one; *seconds* is how long a freeze lasts."""

    after: float
    action: Action
    targets: tuple[str, ...]
    seconds: float = 0.0


class Killable(Protocol):
    """What the nemesis asks of a platform."""

    def processes(self) -> list[Process]:
        """Every process that should run."""

    def signal(self, target: str, number: signal.Signals) -> object:
        """Send a signal to a process."""


def strikes(seed: int, services: Mapping[str, Sequence[str]]) -> Iterator[Strike]:
    """Blows without end at *services*, each with its processes.

    Every process gets its turn before any gets its next, and every one before the first whole service
    goes at once.
    """
    chance = random.Random(f"{seed}/nemesis")  # noqa: S311 - to be repeated, not secret
    everything = [name for names in services.values() for name in names]
    deck: list[str] = []
    rounds = 0
    while True:
        if not deck:
            deck = chance.sample(everything, len(everything))
            rounds += 1
        after = chance.uniform(1 - _JITTER, 1 + _JITTER)
        draw = chance.random()
        if draw < _FREEZES:
            # In between, so that it costs no process its turn of being killed.
            targets = (chance.choice(everything),)
            yield Strike(after / 2, Action.FREEZE, targets, chance.uniform(*FREEZES))
        elif draw < _FREEZES + _RESTARTS:
            targets = (chance.choice(everything),)
            yield Strike(after / 2, Action.RESTART, targets)
        elif draw < _FREEZES + _RESTARTS + _WHOLE_SERVICE and rounds > 1:
            yield Strike(after, Action.KILL, tuple(services[chance.choice(list(services))]))
        else:
            yield Strike(after, Action.KILL, (deck.pop(),))


class Nemesis:
    """Strikes until it has killed so many processes, in a thread of its own. `killed` is by name."""

    def __init__(
        self, platform: Killable, blows: Iterator[Strike], *, kills: int, gap: float
    ) -> None:
        self._platform = platform
        self._blows = blows
        self._wanted = kills
        self._gap = gap
        self._stopping = threading.Event()
        self._frozen: list[tuple[float, str]] = []
        self._thread = threading.Thread(target=self._run, name="nemesis", daemon=True)
        self.killed: Counter[str] = Counter()
        self.others: Counter[Action] = Counter()
        self._failure: BaseException | None = None

    @property
    def kills(self) -> int:
        """How many running processes were killed."""
        return self.killed.total()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def is_done(self) -> bool:
        """Whether there is nothing more to kill."""
        return self._thread.ident is not None and not self._thread.is_alive()

    def join(self) -> None:
        """Wait until all is killed; raises what it stumbled over."""
        if self._thread.ident is not None:
            self._thread.join()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """End at once; whatever was stopped goes on."""
        self._stopping.set()
        self.join()

    def _run(self) -> None:
        try:
            while self.kills < self._wanted and not self._stopping.is_set():
                strike = next(self._blows)
                self._pause(strike.after * self._gap)
                if not self._stopping.is_set():
                    self._strike(strike)
        except BaseException as error:  # noqa: BLE001 - raised by whoever waits for the end
            self._failure = error
        finally:
            self._thaw(until=float("inf"))

    def _strike(self, strike: Strike) -> None:
        running = self._await(strike.targets)
        for name in running:
            self._platform.signal(name, signal.Signals[strike.action.value])
            if strike.action is Action.KILL:
                self.killed[name] += 1
            else:
                self.others[strike.action] += 1
            if strike.action is Action.FREEZE:
                heapq.heappush(self._frozen, (time.monotonic() + strike.seconds, name))

    def _await(self, targets: Sequence[str]) -> list[str]:
        """Those of *targets* that run, once one does; what is down cannot be killed."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            running = [p.name for p in self._platform.processes() if p.pid and p.name in targets]
            if running or time.monotonic() > deadline or self._stopping.is_set():
                return running
            self._pause(_POLL)

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._stopping.is_set():
            now = time.monotonic()
            self._thaw(until=now)
            if now >= end:
                return
            wake = min(end, self._frozen[0][0]) if self._frozen else end
            self._stopping.wait(max(0.0, wake - now))

    def _thaw(self, until: float) -> None:
        while self._frozen and self._frozen[0][0] <= until:
            _, name = heapq.heappop(self._frozen)
            self._platform.signal(name, signal.SIGCONT)


def services_of(processes: Sequence[Process], control_plane: str) -> dict[str, list[str]]:
    """The processes by service; the control plane, which is of none, under its own name."""
    found: dict[str, list[str]] = {}
    for process in processes:
        found.setdefault(process.service or control_plane, []).append(process.name)
    return found
