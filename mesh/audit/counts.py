"""What a journal has done, for metrics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """What a journal has done since the process began, to be read without a lock."""

    entries: int = 0
    checkpoints: int = 0
    failures: int = 0
    withheld: int = 0
