"""What a server lets in and refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from prometheus_client import REGISTRY, CollectorRegistry

from observability.metrics import definitions
from observability.metrics.collecting import register


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


class AdmissionMetrics:
    """The counts of one door, read when asked for: a call pays nothing."""

    def __init__(
        self, door: Door, names: Mapping[int, str], registry: CollectorRegistry = REGISTRY
    ) -> None:
        self._door = door
        self._names = names
        register(self.collect, registry=registry)

    def collect(self) -> Iterator[Any]:
        """The counts of this instant."""
        door = self._door
        yield definitions.LIMIT.one(door.limit)
        yield definitions.AT_WORK.one(door.at_work)
        yield definitions.WAITING.one(door.waiting)
        yield definitions.STREAMS.one(door.streams)
        for metric, counts in (
            (definitions.ADMITTED, door.admitted),
            (definitions.QUEUED, door.queued),
            (definitions.SHED, door.shed),
        ):
            family = metric.family()
            for number, criticality in self._names.items():
                family.add_metric((criticality,), counts[number])
            yield family
