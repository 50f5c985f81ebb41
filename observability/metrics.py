"""Rate, errors, duration of every method, by caller and outcome.

Names follow OpenTelemetry's semantic conventions for RPC, in Prometheus's spelling.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from prometheus_client import REGISTRY, CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

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
    """The calls of one method by one caller with one outcome, summed up for whoever asks often.

    Reading them from the histogram would cost milliseconds, twice a second, on every replica.
    """

    __slots__ = ("_duration", "_lock", "calls", "seconds")

    def __init__(self, duration: Histogram) -> None:
        self._duration = duration
        self._lock = threading.Lock()
        self.calls = 0
        self.seconds = 0.0

    def note(self, seconds: float) -> None:
        """Add a call."""
        self._duration.observe(seconds)
        with self._lock:
            self.calls += 1
            self.seconds += seconds


class CallMetrics:
    """The calls a process has answered."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._tallies: dict[tuple[str, str, str], Tally] = {}
        self._lock = threading.Lock()
        self._durations = Histogram(
            "rpc_server_call_duration_seconds",
            "Duration of calls answered.",
            ("rpc_method", "rpc_caller", "rpc_response_status_code"),
            buckets=BUCKETS,
            registry=registry,
        )

    def recorder(self, method: str) -> Record:
        """What notes calls of *method*. Looking a child up by labels costs more than noting."""
        known: dict[tuple[str, str], Tally] = {}

        def record(caller: str, outcome: str, seconds: float) -> None:
            tally = known.get((caller, outcome))
            if tally is None:
                tally = known[caller, outcome] = self._tally(method, caller, outcome)
            tally.note(seconds)

        return record

    def counts(self) -> Iterator[Count]:
        """Every count so far."""
        with self._lock:
            tallies = tuple(self._tallies.items())
        for (method, caller, outcome), tally in tallies:
            yield Count(method, caller, outcome, tally.calls, tally.seconds)

    def _tally(self, method: str, caller: str, outcome: str) -> Tally:
        with self._lock:
            key = (method, caller, outcome)
            if key not in self._tallies:
                self._tallies[key] = Tally(self._durations.labels(*key))
            return self._tallies[key]


class Door(Protocol):
    """What lets calls in, and the counts it keeps. The sequences are by criticality's number."""

    @property
    def limit(self) -> int:
        """How many may be at work now."""

    @property
    def at_work(self) -> int:
        """How many are."""

    @property
    def waiting(self) -> int:
        """How many wait to be."""

    @property
    def streams(self) -> int:
        """How many streams live."""

    @property
    def admitted(self) -> Sequence[int]:
        """How many were let in."""

    @property
    def queued(self) -> Sequence[int]:
        """How many had to wait."""

    @property
    def shed(self) -> Sequence[int]:
        """How many were refused."""


class AdmissionMetrics(Collector):
    """What a server lets in and refuses. Read from the counts when asked: a call pays nothing for it."""

    def __init__(
        self, door: Door, names: Mapping[int, str], registry: CollectorRegistry = REGISTRY
    ) -> None:
        self._door = door
        self._names = names
        registry.register(self)

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """The counts of this instant."""
        door = self._door
        for name, help_text, value in (
            ("limit", "Calls that may be at work.", door.limit),
            ("at_work", "Calls at work.", door.at_work),
            ("waiting", "Calls that wait for a place.", door.waiting),
            ("streams", "Streams that live.", door.streams),
        ):
            yield GaugeMetricFamily(f"rpc_server_admission_{name}", help_text, value)
        for name, help_text, counts in (
            ("admitted", "Calls let in.", door.admitted),
            ("queued", "Calls that had to wait.", door.queued),
            ("shed", "Calls refused for overload.", door.shed),
        ):
            family = CounterMetricFamily(
                f"rpc_server_admission_{name}", help_text, labels=("criticality",)
            )
            for number, criticality in self._names.items():
                family.add_metric((criticality,), counts[number])
            yield family
