"""The connections of a process to its database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from observability.metrics import definitions


class Pool(Protocol):
    """Connections of one kind, at one instant. *queue* is those who wait: now, ever, and in vain."""

    @property
    def name(self) -> str:
        """What they are for."""

    @property
    def most(self) -> int:
        """How many may be open."""

    @property
    def idle(self) -> int:
        """How many are open and not in use."""

    @property
    def used(self) -> int:
        """How many are in use."""

    @property
    def queue(self) -> tuple[int, int, int] | None:
        """How many wait, have waited, have waited in vain; None where that is not counted."""


def connections(pools: Callable[[], Iterable[Pool]]) -> Iterator[Any]:
    """The metrics of this instant."""
    count = definitions.CONNECTIONS.family()
    most = definitions.CONNECTIONS_MOST.family()
    queues = [
        metric.family()
        for metric in (
            definitions.CONNECTIONS_AWAITED,
            definitions.CONNECTION_WAITS,
            definitions.CONNECTION_TIMEOUTS,
        )
    ]
    for pool in pools():
        count.add_metric((pool.name, "idle"), pool.idle)
        count.add_metric((pool.name, "used"), pool.used)
        most.add_metric((pool.name,), pool.most)
        for family, number in zip(queues, pool.queue or (), strict=False):
            family.add_metric((pool.name,), number)
    yield from (count, most, *queues)
