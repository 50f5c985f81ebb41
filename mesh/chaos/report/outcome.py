"""The whole of a run, and the figures it is held to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from mesh.chaos.matrix import Matrix
from mesh.chaos.model import Shortfall, Verdict

HELD_TO = (
    "sigkill",
    "rolling_restart",
    "sigstop",
    "dead_service",
    "control_plane_down",
    "overload",
    "retry_amplification",
    "history",
    "edges",
)
"""The figures that a whole run has to show."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that came of a run. *whole*: every figure of HELD_TO had to be shown."""

    seed: int
    began: datetime
    seconds: float
    verdicts: tuple[Verdict, ...]
    matrix: Matrix
    figures: Mapping[str, Mapping[str, float]] = field(default_factory=lambda: MappingProxyType({}))
    further: tuple[Shortfall, ...] = ()
    whole: bool = False

    @property
    def shortfalls(self) -> tuple[Shortfall, ...]:
        """Every promise that was not kept, those without a figure too."""
        found = [each for verdict in self.verdicts for each in verdict.shortfalls]
        missing = [
            Shortfall("run", f"{key} is measured", "it was not")
            for key in HELD_TO
            if self.whole and key not in self.figures
        ]
        return (*found, *self.further, *missing)

    @property
    def held(self) -> bool:
        """Whether every promise was kept."""
        return not self.shortfalls
