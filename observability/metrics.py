"""Rate, errors, duration of every method, by caller and outcome.

Names follow OpenTelemetry's semantic conventions for RPC, in Prometheus's spelling.
"""

from __future__ import annotations

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


class CallMetrics:
    """The calls a process has answered."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._durations = Histogram(
            "rpc_server_call_duration_seconds",
            "Duration of calls answered.",
            ("rpc_method", "rpc_caller", "rpc_response_status_code"),
            buckets=BUCKETS,
            registry=registry,
        )

    def recorder(self, method: str) -> Record:
        """What notes calls of *method*. Looking a child up by labels costs more than noting."""
        children: dict[tuple[str, str], Histogram] = {}

        def record(caller: str, outcome: str, seconds: float) -> None:
            child = children.get((caller, outcome))
            if child is None:
                child = self._durations.labels(method, caller, outcome)
                children[caller, outcome] = child
            child.observe(seconds)

        return record

    def counts(self) -> Iterator[Count]:
        """Every count so far."""
        found: dict[tuple[str, str, str], list[float]] = {}
        for family in self._durations.collect():
            for sample in family.samples:
                key = (
                    sample.labels["rpc_method"],
                    sample.labels["rpc_caller"],
                    sample.labels["rpc_response_status_code"],
                )
                row = found.setdefault(key, [0.0, 0.0])
                if sample.name.endswith("_count"):
                    row[0] = sample.value
                elif sample.name.endswith("_sum"):
                    row[1] = sample.value
        for (method, caller, outcome), (count, seconds) in found.items():
            yield Count(method, caller, outcome, int(count), seconds)


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
