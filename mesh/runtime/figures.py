"""What the runtime knows, in numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mesh.runtime.forward import Forward
from mesh.runtime.kept import Kept, State
from observability.metrics import definitions


def figures(processes: Iterable[Kept], forwards: Iterable[Forward]) -> Iterator[Any]:
    """The metrics of this instant. Who serves nothing is its own service."""
    counts: dict[tuple[str, State], int] = {}
    restarts = definitions.RESTARTS.family()
    for kept in processes:
        service = kept.service or kept.name
        for state in State:
            counts[service, state] = counts.get((service, state), 0) + (kept.state is state)
        restarts.add_metric((service, kept.name), kept.restarts)
    family = definitions.PROCESSES.family()
    for (service, state), count in counts.items():
        family.add_metric((service, state.name.lower()), count)
    dropped = sum(forward.dropped for forward in forwards)
    yield from (family, restarts, definitions.SPANS_NOT_FORWARDED.one(dropped))
