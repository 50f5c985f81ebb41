"""Rate, errors, duration of every method that is served, by caller and outcome."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple

from prometheus_client import REGISTRY, CollectorRegistry

from observability.metrics import definitions
from observability.metrics.collecting import register
from plexus.client.counts import BOUNDS
from plexus.contract import Contract, load

Record = Callable[[str, str, float], None]
"""Notes one call: its caller, its outcome (a gRPC status name), its duration in seconds."""


class Count(NamedTuple):
    """How often a method was called by one caller with one outcome, and for how long in all."""

    method: str
    caller: str
    outcome: str
    calls: int
    seconds: float


class Tally:
    """The calls of one method by one caller with one outcome. *buckets* has one more than the bounds."""

    __slots__ = ("_bounds", "_lock", "buckets", "calls", "seconds")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._lock = threading.Lock()
        self.buckets = [0] * (len(bounds) + 1)
        self.calls = 0
        self.seconds = 0.0

    def note(self, seconds: float) -> None:
        """Add a call."""
        bucket = bisect_left(self._bounds, seconds)
        with self._lock:
            self.buckets[bucket] += 1
            self.calls += 1
            self.seconds += seconds


class CallMetrics:
    """The calls a process has answered."""

    def __init__(
        self, registry: CollectorRegistry = REGISTRY, contract: Contract | None = None
    ) -> None:
        self._bounds = bounds(contract or load())
        self._tallies: dict[tuple[str, str, str], Tally] = {}
        self._lock = threading.Lock()
        self._retries: dict[str, int] = {}
        self._degradations: dict[tuple[str, str], int] = {}
        register(self.collect, registry=registry)

    def recorder(self, method: str) -> Record:
        """What notes calls of *method*. Looking a tally up by labels costs more than noting."""
        known: dict[tuple[str, str], Tally] = {}

        def record(caller: str, outcome: str, seconds: float) -> None:
            tally = known.get((caller, outcome))
            if tally is None:
                tally = known[caller, outcome] = self._tally(method, caller, outcome)
            tally.note(seconds)

        return record

    def retries(self, method: str) -> Callable[[], None]:
        """What notes that an attempt at *method* is not the first of its call."""
        self._retries.setdefault(method, 0)

        def note() -> None:
            with self._lock:
                self._retries[method] += 1

        return note

    def degradations(self, method: str, dependencies: Iterable[str]) -> Callable[[str], None]:
        """What notes that an answer of *method* lacks what one of its *dependencies* would have given."""
        for dependency in dependencies:
            self._degradations.setdefault((method, dependency), 0)

        def note(dependency: str) -> None:
            with self._lock:
                key = method, dependency
                self._degradations[key] = self._degradations.get(key, 0) + 1

        return note

    def counts(self) -> Iterator[Count]:
        """Every count so far."""
        for (method, caller, outcome), tally in self._all():
            yield Count(method, caller, outcome, tally.calls, tally.seconds)

    def collect(self) -> Iterator[Any]:
        """The metrics of this instant."""
        durations = definitions.ANSWERED.family()
        for labels, tally in self._all():
            durations.add_metric(labels, cumulative(self._bounds, tally.buckets), tally.seconds)
        yield durations
        with self._lock:
            retries, degradations = tuple(self._retries.items()), tuple(self._degradations.items())
        retried = definitions.RETRIED.family()
        for method, count in retries:
            retried.add_metric((method,), count)
        yield retried
        degraded = definitions.DEGRADED.family()
        for key, count in degradations:
            degraded.add_metric(key, count)
        yield degraded

    def _all(self) -> tuple[tuple[tuple[str, str, str], Tally], ...]:
        with self._lock:
            return tuple(self._tallies.items())

    def _tally(self, method: str, caller: str, outcome: str) -> Tally:
        with self._lock:
            return self._tallies.setdefault((method, caller, outcome), Tally(self._bounds))


LONGEST: Final = 3600.0
"""Seconds beyond which a deadline is a lease, and no objective."""


def bounds(contract: Contract) -> tuple[float, ...]:
    """The histogram's bounds in seconds. Each deadline is one, since it is an objective to count by."""
    deadlines = {
        method.deadline
        for method in contract.methods.values()
        if not method.server_streaming and method.deadline < LONGEST
    }
    return tuple(sorted(deadlines.union(BOUNDS)))


def cumulative(bounds: Iterable[float], counts: Iterable[int]) -> list[tuple[str, int]]:
    """Prometheus's buckets, each with all below it, from counts between *bounds*."""
    return list(zip((*map(_told, bounds), "+Inf"), accumulate(counts), strict=True))


def _told(bound: float) -> str:
    return repr(float(bound))
