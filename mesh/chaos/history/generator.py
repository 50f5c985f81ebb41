"""What clients want to do next: an endless stream for each, the same for the same seed.

An intent says what and by which chance, not with what: an appointment to cancel is known only once
the platform has answered. So the stream does not depend on what the platform does.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mesh.chaos.history.operation import Kind

WEIGHTS: Mapping[Kind, int] = MappingProxyType(
    {
        Kind.BOOK: 17,
        Kind.RESCHEDULE: 4,
        Kind.CANCEL: 2,
        Kind.NO_SHOW: 1,
        Kind.CHECK_IN: 10,
        Kind.COMPLETE: 9,
        Kind.SUBMIT: 6,
        Kind.PAY: 7,
        Kind.IMPORT: 1,
        Kind.FIND_CLAIM: 8,
        Kind.GET_APPOINTMENT: 19,
        Kind.GET_CLAIM: 8,
        Kind.GET_PATIENT: 8,
    }
)
"""Of a hundred operations. Writes are more than half: reads are what rarely goes wrong."""

_AGAIN = 0.04


@dataclass(frozen=True, slots=True)
class Intent:
    """What a client wants. *luck* decides whatever there is to choose; *again*: sent twice."""

    number: int
    kind: Kind
    luck: int
    again: bool


def intents(seed: int, process: int) -> Iterator[Intent]:
    """What a client wants, one after another, without end."""
    chance = random.Random(f"{seed}/client {process}")  # noqa: S311 - to be repeated, not secret
    kinds, weights = tuple(WEIGHTS), tuple(WEIGHTS.values())
    number = 0
    while True:
        kind = chance.choices(kinds, weights)[0]
        yield Intent(number, kind, chance.getrandbits(48), chance.random() < _AGAIN)
        number += 1
