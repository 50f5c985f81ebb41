"""The background work of a process: who follows a feed, and who works by the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, runtime_checkable

from observability.metrics import definitions


class Periodic(Protocol):
    """Work that is done again and again."""

    @property
    def name(self) -> str:
        """Its name in the contract."""

    def lag(self) -> float:
        """Seconds by which it is behind."""


@runtime_checkable
class Follower(Periodic, Protocol):
    """Work that a feed drives."""

    @property
    def sequence(self) -> int:
        """The last event that was applied."""

    @property
    def failures(self) -> int:
        """How often in a row it had to begin again."""


def tasks(running: Callable[[], Iterable[Periodic]]) -> Iterator[Any]:
    """The metrics of this instant."""
    lag, overdue = definitions.FOLLOWER_LAG.family(), definitions.TASK_OVERDUE.family()
    sequence, failures = (
        definitions.FOLLOWER_SEQUENCE.family(),
        definitions.FOLLOWER_FAILURES.family(),
    )
    for task in running():
        if isinstance(task, Follower):
            lag.add_metric((task.name,), task.lag())
            sequence.add_metric((task.name,), task.sequence)
            failures.add_metric((task.name,), task.failures)
        else:
            overdue.add_metric((task.name,), task.lag())
    yield from (lag, sequence, failures, overdue)
