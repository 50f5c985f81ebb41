"""How a database's connections fare, for whoever measures."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, QueuePool

from plexus.client.turns import Turns


@dataclass(frozen=True, slots=True)
class PoolView:
    """The connections of one kind at one instant.

    *queue* is how many wait for their turn now, have had to wait, and have waited in vain; None where
    turns are the database's own affair.
    """

    name: str
    most: int
    idle: int
    used: int
    queue: tuple[int, int, int] | None = None


def view(name: str, engine: Engine, most: int, turns: Turns | None = None) -> PoolView:
    """What *engine*'s pool looks like now."""
    pool = engine.pool
    idle, used = (pool.checkedin(), pool.checkedout()) if isinstance(pool, QueuePool) else (0, 0)
    queue = (turns.waiting, turns.waits, turns.timeouts) if turns else None
    return PoolView(name, most, idle, used, queue)
