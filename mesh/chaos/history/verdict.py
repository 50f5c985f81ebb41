"""What came of a storm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mesh.chaos.history.checker import Violation
from mesh.chaos.history.operation import Operation, Status

_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Verdict:
    """*operations* are those of the storm itself; *replayed* were of unknown outcome when it was
    over. *killed* is by process, *struck* by signal. *outcomes* is by kind and status, *reasons*
    by status and reason. *seconds* is by phase."""

    seed: int
    operations: int
    replayed: int
    killed: Mapping[str, int]
    struck: Mapping[str, int]
    outcomes: Mapping[str, Mapping[str, int]]
    reasons: Mapping[str, Mapping[str, int]]
    seconds: Mapping[str, float]
    checked: Mapping[str, int]
    violations: tuple[Violation, ...]

    @property
    def kills(self) -> int:
        """How many running processes were killed."""
        return sum(self.killed.values())

    def summary(self) -> dict[str, Any]:
        """For a report: `operations`, `kills`, `violations` (how many) and `seed`, then the rest."""
        return {
            "operations": self.operations,
            "kills": self.kills,
            "violations": len(self.violations),
            "seed": self.seed,
            "broken": dict(Counter(found.invariant.name for found in self.violations)),
            "found": [str(violation) for violation in self.violations[:_SHOWN]],
            "replayed": self.replayed,
            "killed": dict(self.killed),
            "struck": dict(self.struck),
            "outcomes": {kind: dict(counts) for kind, counts in self.outcomes.items()},
            "reasons": {status: dict(counts) for status, counts in self.reasons.items()},
            "seconds": {phase: round(seconds, 1) for phase, seconds in self.seconds.items()},
            "checked": dict(self.checked),
        }


def count_outcomes(operations: Iterable[Operation]) -> dict[str, Counter[str]]:
    """How many operations of each kind ended how."""
    counts: dict[str, Counter[str]] = {}
    for one in operations:
        counts.setdefault(one.kind.value, Counter())[one.status.value] += 1
    return counts


def count_reasons(operations: Iterable[Operation]) -> dict[str, Counter[str]]:
    """Why operations were refused, or their outcome unknown, and how often."""
    counts: dict[str, Counter[str]] = {}
    for one in operations:
        if one.status is not Status.OK:
            counts.setdefault(one.status.value, Counter())[one.reason] += 1
    return counts
