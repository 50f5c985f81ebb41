"""What the calls of each method of a channel came to: plain numbers, added up as calls pass.

Nothing is locked for them. Adding to a list's item is a few steps of the interpreter, between which
another thread may come: a count may miss one in very many, which no rate shows and no caller waits for.
Who exposes them as metrics reads them when asked.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
"""Seconds up to which each but the last of `Durations.counts` counts."""

OK: Final = "OK"


class Durations:
    """Calls by how long they took: *counts* has one more than `BOUNDS`, for the longest."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count a call."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds


@dataclass(slots=True)
class Counts:
    """The calls of one method. *outcomes* are by gRPC status name, as the caller saw the calls end.

    *no_place* counts calls that the bulkhead refused; *hedged* attempts that were sent because an
    earlier one was late, *rescued* calls that one of them answered, *over_budget* calls that were late
    and got none. *late_after* is, in seconds, when a call is late; 0 for one that is not hedged.
    """

    outcomes: dict[str, Durations] = field(default_factory=lambda: {OK: Durations()})
    no_place: int = 0
    hedged: int = 0
    rescued: int = 0
    over_budget: int = 0
    late_after: float = 0.0

    def note(self, outcome: str, seconds: float) -> None:
        """Count a call that has ended."""
        durations = self.outcomes.get(outcome)
        if durations is None:
            durations = self.outcomes.setdefault(outcome, Durations())
        durations.add(seconds)


@dataclass(frozen=True, slots=True)
class CountsView:
    """One method's counts at one instant. *outcomes* maps a status to bucket counts and their seconds."""

    method: str
    outcomes: Mapping[str, tuple[Sequence[int], float]]
    no_place: int
    hedged: int
    rescued: int
    over_budget: int
    late_after: float

    @classmethod
    def of(cls, method: str, counts: Counts) -> CountsView:
        """What *counts* says now."""
        outcomes = {
            name: (tuple(durations.counts), durations.seconds)
            for name, durations in tuple(counts.outcomes.items())
        }
        return cls(
            method=method,
            outcomes=outcomes,
            no_place=counts.no_place,
            hedged=counts.hedged,
            rescued=counts.rescued,
            over_budget=counts.over_budget,
            late_after=counts.late_after,
        )
