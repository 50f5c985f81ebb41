"""What the demo promises, judged from what was observed. Plain functions without I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median
from typing import Any

AVAILABLE = 0.99
"""The least share of tries that must be served. A patient whose call was on its way to a process at
the moment that process was killed may have to try again; one in a hundred is the most."""

ENOUGH = 20
"""Tries of a journey in a phase below which its availability says nothing."""

BREAKER_MS = 1.0
"""The longest that an open breaker may take to answer, at the median, in milliseconds."""

TRACED = 3
"""The least number of services one trace goes through."""


class Phase(StrEnum):
    """Where the story is, seen from billing: before it was killed, while it is gone, and after."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


class Journey(StrEnum):
    """The parts of a patient's way, each with the service it needs most.

    CHAT with triage, BOOK with scheduling, VISIT (check in and complete) with scheduling, PAY (be
    claimed, submit, pay) with billing.
    """

    CHAT = "chat"
    BOOK = "book"
    VISIT = "visit"
    PAY = "pay"


CARE = (Journey.CHAT, Journey.BOOK, Journey.VISIT)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many tried and how many were served."""

    tried: int = 0
    served: int = 0

    @property
    def share(self) -> float | None:
        """The share that was served, 0 to 1; None when nobody tried."""
        return self.served / self.tried if self.tried else None


@dataclass(frozen=True, slots=True)
class Intake:
    """What the imports did. *again* counts what the second import of the same content changed."""

    patients: int = 0
    resources: int = 0
    rejected: int = 0
    again: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Books:
    """What scheduling and billing say when all is over. Money is in minor units.

    *acknowledged* are the appointments whose completion a patient was told of; *completed* those that
    scheduling lists. *claims* counts the claims of each appointment. *received* is what patients
    were told was taken in, *entered* what the ledger's cash account holds, *ledger* the sum of all
    accounts, *unbalanced* the transactions that do not sum to zero.
    """

    acknowledged: frozenset[str] = frozenset()
    completed: frozenset[str] = frozenset()
    claims: Mapping[str, int] = field(default_factory=dict)
    double_booked: int = 0
    ledger: int = 0
    unbalanced: int = 0
    received: int = 0
    entered: int = 0

    @property
    def claimed(self) -> int:
        """Completed appointments that have a claim."""
        return len(self.completed & self.claims.keys())

    @property
    def lost(self) -> int:
        """Appointments that were completed, by anyone's word, and are not claimed."""
        return len((self.completed | self.acknowledged) - self.claims.keys())

    @property
    def duplicated(self) -> int:
        """Claims beyond the first of each appointment."""
        return sum(count - 1 for count in self.claims.values())

    @property
    def unfounded(self) -> int:
        """Claims for appointments that were not completed."""
        return len(self.claims.keys() - self.completed)


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that was observed. *breaker_ms* are the answers of an open breaker, each."""

    intake: Intake
    tallies: Mapping[tuple[Journey, Phase], Tally]
    breaker_ms: Sequence[float]
    books: Books
    trace_services: Sequence[str]

    def availability(self, journey: Journey, phase: Phase) -> float | None:
        """The share of tries that were served, 0 to 1; None when nobody tried."""
        return self.tallies.get((journey, phase), Tally()).share

    @property
    def breaker_ms_p50(self) -> float | None:
        """The median answer of an open breaker in milliseconds; None when none was seen."""
        return median(self.breaker_ms) if self.breaker_ms else None


@dataclass(frozen=True, slots=True)
class Promise:
    """One thing that is promised, whether it held, and what was seen."""

    words: str
    held: bool
    seen: str


def judge(facts: Facts) -> tuple[Promise, ...]:
    """Every promise. Paying while all of billing is dead is not promised; it is shown as it was."""
    return (
        _intake(facts.intake),
        *_availability(facts),
        _breaker(facts),
        _claims(facts.books),
        _ledger(facts.books),
        _bookings(facts.books),
        _trace(facts.trace_services),
    )


def held(promises: Iterable[Promise]) -> bool:
    """Whether all of them did."""
    return all(promise.held for promise in promises)


def report(facts: Facts) -> dict[str, Any]:
    """The facts for a program. Availability is journey, then phase, then 0 to 1."""
    p50 = facts.breaker_ms_p50
    return {
        "patients": facts.intake.patients,
        "resources": facts.intake.resources,
        "availability": {
            str(journey): {
                str(phase): _rounded(facts.availability(journey, phase)) for phase in Phase
            }
            for journey in Journey
        },
        "breaker_open_ms_p50": _rounded(p50),
        "completed": len(facts.books.completed),
        "claimed": facts.books.claimed,
        "lost": facts.books.lost,
        "duplicated": facts.books.duplicated,
        "trace_services": list(facts.trace_services),
    }


def _intake(intake: Intake) -> Promise:
    sound = intake.patients > 0 and intake.resources > 0
    return Promise(
        "imported whole, and only once",
        sound and intake.rejected == 0 and intake.again == 0,
        f"{intake.resources:,} in, {intake.rejected} rejected, {intake.again} again",
    )


def _availability(facts: Facts) -> Iterable[Promise]:
    for words, journeys, phases in (
        ("care goes on while billing is dead", CARE, tuple(Phase)),
        ("paying works before and after", (Journey.PAY,), (Phase.BEFORE, Phase.AFTER)),
    ):
        tallies = {
            f"{journey} {phase}": facts.tallies.get((journey, phase), Tally())
            for journey in journeys
            for phase in phases
        }
        worst = min(tallies, key=lambda name: tallies[name].share or 0.0)
        fewest = min(tallies, key=lambda name: tallies[name].tried)
        if tallies[fewest].tried < ENOUGH:
            yield Promise(words, False, f"too few tries to tell: {fewest} {tallies[fewest].tried}")
            continue
        share = tallies[worst].share or 0.0
        seen = f"least {share:.1%} ({worst})" if share < 1 else "100 % throughout"
        yield Promise(words, share >= AVAILABLE, seen)


def _breaker(facts: Facts) -> Promise:
    p50 = facts.breaker_ms_p50
    return Promise(
        f"an open breaker answers within {BREAKER_MS:g} ms",
        p50 is not None and p50 < BREAKER_MS,
        "no breaker opened" if p50 is None else f"{p50:.3f} ms at the median",
    )


def _claims(books: Books) -> Promise:
    sound = bool(books.completed) and not (books.lost or books.duplicated or books.unfounded)
    return Promise(
        "every visit is claimed exactly once",
        sound,
        f"{books.claimed} of {len(books.completed)}, {books.lost} lost, {books.duplicated} doubled"
        + (f", {books.unfounded} unfounded" if books.unfounded else ""),
    )


def _ledger(books: Books) -> Promise:
    sound = books.ledger == 0 and books.unbalanced == 0 and books.received == books.entered > 0
    return Promise(
        "the ledger sums to 0, payments once",
        sound,
        f"{books.received / 100:,.2f} paid, {books.entered / 100:,.2f} entered"
        + (f", sum {books.ledger / 100:,.2f}" if books.ledger else "")
        + (f", {books.unbalanced} unbalanced" if books.unbalanced else ""),
    )


def _bookings(books: Books) -> Promise:
    return Promise(
        "no time is given away twice",
        books.double_booked == 0,
        f"{books.double_booked} double bookings",
    )


def _trace(services: Sequence[str]) -> Promise:
    return Promise(
        "one trace shows a call's services",
        len(set(services)) >= TRACED,
        ", ".join(services) or "no trace",
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
