"""Insurance: which coverage a claim is billed to, and what part of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

COINSURANCE_PERCENT = 20
"""The patient's part of an insured claim. As Medicare Part B: the program pays 80 percent of the
approved amount (42 CFR 410.152(b)), the patient the rest."""

_NOBODY = frozenset({"noinsurance", "selfpay", "uninsured"})
"""Payer names that name no payer, such as Synthea's `NO_INSURANCE`; letters only."""

_FIRST_PAUSE = timedelta(seconds=0.5)
_LONGEST_PAUSE = timedelta(seconds=10)

Day = tuple[int, int, int]
"""Year, month, day; month and day are 0 when not known."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """An insurance plan as records knows it. *start* and *end* are None when not told or open."""

    coverage_id: str
    status: str
    payer: str
    member_id: str
    start: Day | None = None
    end: Day | None = None

    def pays_on(self, day: Day) -> bool:
        """Whether somebody can be asked to pay for care given on *day*.

        A period is read in the patient's favour where its dates are imprecise.
        """
        named = "".join(filter(str.isalpha, self.payer.casefold()))
        if self.status != "active" or not named or named in _NOBODY:
            return False
        begun = self.start is None or day >= self.start
        return begun and (self.end is None or day <= _latest(self.end))


def choose(coverages: Iterable[Coverage], day: Day) -> Coverage | None:
    """The first coverage that pays for *day*; None: the patient pays all."""
    return next((coverage for coverage in coverages if coverage.pays_on(day)), None)


def split(total: int, *, insured: bool) -> tuple[int, int]:
    """Insurer's and patient's share of *total* minor units; they add up to it.

    An insured patient pays COINSURANCE_PERCENT, rounded half up to the minor unit; the insurer is
    asked for the rest. Without insurance the patient pays all.
    """
    patient = (total * COINSURANCE_PERCENT + 50) // 100 if insured else total
    return total - patient, patient


def _latest(day: Day) -> Day:
    year, month, date = day
    return year, month or 12, date or 31


def pause(asked: int, chance: float) -> timedelta:
    """How long to wait before records is asked again after it was asked *asked* times before.

    Doubles from half a second up to ten; *chance*, 0 to 1, takes off up to half, so that claims that
    began to wait together do not come back together.
    """
    doublings: int = 2 ** min(asked, 10)
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * doublings)
    return longest * (1 - chance / 2)
