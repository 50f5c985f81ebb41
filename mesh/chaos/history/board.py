"""What clients have been told and may act on. Two clients share one, and so get in each other's way."""

from __future__ import annotations

import threading
from collections import deque
from enum import Enum

from plexus.billing.v1.payment_pb2 import Payer

Debt = tuple[str, Payer.ValueType, int]
"""A claim, who owes for it, and how much, in minor units."""

_REMEMBERED = 256
_RECENT = 24


class Stage(Enum):
    """How far an appointment, or the claim for it, has come."""

    BOOKED = "booked"
    CHECKED_IN = "checked in"
    COMPLETED = "completed"
    CLAIMED = "claimed"


class Board:
    """Ids by stage, and debts. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stages: dict[Stage, list[str]] = {stage: [] for stage in Stage}
        self._patients: list[str] = []
        self._appointments: deque[str] = deque(maxlen=_REMEMBERED)
        self._claims: deque[str] = deque(maxlen=_REMEMBERED)
        self._debts: dict[tuple[str, Payer.ValueType], int] = {}

    def add_patient(self, patient: str) -> None:
        """Somebody to book for."""
        with self._lock:
            if patient not in self._patients:
                self._patients.append(patient)

    def patient(self, luck: int) -> str:
        """One of the patients."""
        with self._lock:
            return self._patients[luck % len(self._patients)]

    def appointment(self, luck: int) -> str | None:
        """One of the last appointments, whatever became of it."""
        with self._lock:
            return (
                self._appointments[luck % len(self._appointments)] if self._appointments else None
            )

    def claim(self, luck: int) -> str | None:
        """One of the last claims, whatever became of it."""
        with self._lock:
            return self._claims[luck % len(self._claims)] if self._claims else None

    def pick(self, stage: Stage, luck: int) -> str | None:
        """One of those that came to *stage* last. It stays there: the other client may pick it too."""
        with self._lock:
            here = self._stages[stage]
            return here[-1 - luck % min(len(here), _RECENT)] if here else None

    def move(self, name: str, to: Stage) -> None:
        """Note that an appointment, or claim, has come to *to*."""
        with self._lock:
            self._forget(name)
            self._stages[to].append(name)
            known = self._claims if to is Stage.CLAIMED else self._appointments
            if name not in known:
                known.append(name)

    def leave(self, name: str) -> None:
        """Note that nothing more is to be done about it, or nothing is known."""
        with self._lock:
            self._forget(name)

    def owe(self, claim: str, payer: Payer.ValueType, amount: int) -> None:
        """Note what is left to be paid for a claim."""
        with self._lock:
            self._debts.pop((claim, payer), None)
            if amount > 0:
                self._debts[claim, payer] = amount

    def debt(self, luck: int) -> Debt | None:
        """Something to pay."""
        with self._lock:
            if not self._debts:
                return None
            keys = list(self._debts)[-_RECENT:]
            claim, payer = keys[luck % len(keys)]
            return claim, payer, self._debts[claim, payer]

    def _forget(self, name: str) -> None:
        for here in self._stages.values():
            if name in here:
                here.remove(name)
