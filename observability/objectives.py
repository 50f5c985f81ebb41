"""What is promised of each method, in numbers: derived from its contract, held by alerts.

Availability follows criticality. What is late, the deadline says: an answer after it reaches nobody, so
the latency objective of a method is a share of calls that are answered within its deadline. Burn rates
and their windows are those of "Alerting on SLOs" (The Site Reliability Workbook, chapter 5): a page
when 2 % of a month's budget go within an hour or 5 % within six, a ticket when 10 % go within three days.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from observability.metrics.answered import LONGEST
from plexus.contract import Contract, Criticality, Method

AVAILABILITY: Final[Mapping[Criticality, float]] = {
    Criticality.VITAL: 0.9995,
    Criticality.ROUTINE: 0.999,
    Criticality.SHEDDABLE: 0.99,
}
"""The share of calls that do not fail on the platform's account."""

WITHIN_DEADLINE: Final[Mapping[Criticality, float]] = {
    Criticality.VITAL: 0.999,
    Criticality.ROUTINE: 0.995,
    Criticality.SHEDDABLE: 0.99,
}
"""The share of answers that come within the deadline."""

FAILURES: Final = (
    "DATA_LOSS",
    "DEADLINE_EXCEEDED",
    "INTERNAL",
    "RESOURCE_EXHAUSTED",
    "UNAVAILABLE",
    "UNIMPLEMENTED",
    "UNKNOWN",
)
"""How calls end that failed on the platform's account. Any other status is an answer."""

LEAST: Final = 10
"""Calls that must have failed in the long window: one failure among three calls is no trend."""


@dataclass(frozen=True, slots=True)
class Burn:
    """How fast is too fast: *rate* times what the objective allows, over both windows."""

    severity: str
    rate: float
    long: str
    short: str


BURNS: Final[Sequence[Burn]] = (
    Burn("page", 14.4, "1h", "5m"),
    Burn("page", 6.0, "6h", "30m"),
    Burn("ticket", 1.0, "3d", "6h"),
)

WINDOWS: Final = ("5m", "30m", "1h", "6h", "3d")
"""Every window of `BURNS`."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What is promised of one method. *deadline* is in seconds; 0 where nothing can be late."""

    method: Method
    availability: float
    deadline: float
    within_deadline: float


def objectives(contract: Contract) -> Iterator[Objective]:
    """The objective of every method, by path."""
    for _, method in sorted(contract.methods.items()):
        # How long a stream lives is its reader's choice.
        timed = not method.server_streaming and method.deadline < LONGEST
        yield Objective(
            method=method,
            availability=AVAILABILITY[method.criticality],
            deadline=method.deadline if timed else 0.0,
            within_deadline=WITHIN_DEADLINE[method.criticality],
        )
