"""A promise that was broken, and what shows it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Invariant(Enum):
    """What must hold of every history."""

    WRITE_LOST = "an acknowledged write is there"
    EFFECT_DOUBLED = "a request has one effect, a refused one none"
    ANSWER_CHANGED = "a repeated request gets its first answer"
    OUTCOME_UNSETTLED = "the outcome of a request can be found out"
    SLOT_BOOKED_TWICE = "a slot is booked once"
    CLAIMED_ONCE = "a completed appointment is claimed exactly once"
    LEDGER_UNBALANCED = "the ledger sums to zero"
    FEED_BROKEN = "events come in order, without gaps, the same to every follower"
    IMPORT_INCOMPLETE = "an import is whole"
    READ_STALE = "a read sees what was acknowledged before it began"


@dataclass(frozen=True, slots=True)
class Violation:
    """One finding. *detail* names ids and counts, never what is known of a patient."""

    invariant: Invariant
    detail: str

    def __str__(self) -> str:
        return f"not so: {self.invariant.value}: {self.detail}"
