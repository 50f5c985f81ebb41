"""A server that exists only in numbers: arrivals, a door, a station behind it, and a clock between."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from mesh.server.admission import Admission, Pace
from plexus.contract import Criticality

ROUTINE = Criticality.ROUTINE
FOREVER = 1000.0


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Station:
    """A server with *crews* that take *seconds* a call, first come first served."""

    crews: int
    seconds: float
    free_at: list[float] = field(default_factory=list)

    def serve(self, now: float) -> float:
        """When a call that begins now will end."""
        start = now if len(self.free_at) < self.crews else max(now, heapq.heappop(self.free_at))
        heapq.heappush(self.free_at, start + self.seconds)
        return start + self.seconds


@dataclass
class Simulation:
    """Arrivals at a steady rate, a door, a station behind it. *ended* is (criticality, seconds).

    There is one method of each criticality.
    """

    admission: Admission
    clock: Clock
    station: Station
    random: Random
    mix: tuple[Criticality, ...] = (ROUTINE,)
    waited: float = 0.0
    paces: dict[Criticality, Pace] = field(
        default_factory=lambda: {each: Pace(each) for each in Criticality}
    )
    ended: list[tuple[Criticality, float]] = field(default_factory=list)
    refused: Counter[Criticality] = field(default_factory=Counter)
    arrived: Counter[Criticality] = field(default_factory=Counter)
    most_at_work: int = 0
    _events: list[tuple[float, int, str, Any]] = field(default_factory=list)
    _number: int = 0

    def run(self, rate: float, seconds: float) -> None:
        """Let calls arrive for a while, then let everything end."""
        at = self.clock.now
        end = at + seconds
        while (at := at + self.random.expovariate(rate)) < end:
            self._plan(at, "arrive", self.random.choice(self.mix))
        while self._events:
            self.clock.now, _, kind, subject = heapq.heappop(self._events)
            getattr(self, f"_{kind}")(subject)

    def _plan(self, at: float, kind: str, subject: Any) -> None:
        self._number += 1
        heapq.heappush(self._events, (at, self._number, kind, subject))

    def _arrive(self, criticality: Criticality) -> None:
        self.arrived[criticality] += 1
        place = self.admission.arrive(self.paces[criticality], FOREVER)
        call = [criticality, self.clock.now, place]
        if place is True:
            self._begin(call)
        elif place is False:
            self.refused[criticality] += 1
        else:
            self._queue.append(call)
            self._plan(self.clock.now + place.patience, "expire", call)
        self._look()

    def _begin(self, call: Any) -> None:
        assert self.admission.at_work - self.admission.over <= self.admission.limit
        self.most_at_work = max(self.most_at_work, self.admission.at_work)
        ends = self.station.serve(self.clock.now) + self.waited
        self._plan(ends, "leave", (call[0], call[1], self.clock.now))

    def _leave(self, done: Any) -> None:
        criticality, arrived, began = done
        self.ended.append((criticality, self.clock.now - arrived))
        self.admission.leave(self.paces[criticality], began, self.waited, answered=True)
        self._look()

    def _expire(self, call: Any) -> None:
        if call in self._queue:
            self._queue.remove(call)
            assert self.admission.give_up(call[2]) is False
            self.refused[call[0]] += 1

    def _look(self) -> None:
        for call in [each for each in self._queue if each[2].admitted is not None]:
            self._queue.remove(call)
            if call[2].admitted:
                self._begin(call)
            else:
                self.refused[call[0]] += 1

    def __post_init__(self) -> None:
        self._queue: list[Any] = []


def simulation(
    crews: int = 4, seconds: float = 0.01, mix: tuple[Criticality, ...] = (ROUTINE,), seed: int = 1
) -> Simulation:
    clock = Clock()
    return Simulation(Admission(clock=clock), clock, Station(crews, seconds), Random(seed), mix)
