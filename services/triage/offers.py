"""Slots that suit an assessment, from scheduling if it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from plexus.client import optional
from plexus.scheduling.v1.scheduling_service_pb2 import FindSlotsRequest, FindSlotsResponse
from plexus.scheduling.v1.slot_pb2 import Slot
from services.triage.domain import Assessment, longest_wait

FindSlots = Callable[[FindSlotsRequest], FindSlotsResponse]
T = TypeVar("T")

MOST = 5
"""How many slots are offered."""


class NotLookedFor(Exception):
    """Slots are needed within a time that scheduling has not been asked about."""

    def __init__(self, within: timedelta) -> None:
        super().__init__()
        self.within = within


class Offers:
    """The slots of one call. Scheduling is asked once about each time, and no more after silence."""

    def __init__(self, find_slots: FindSlots, now: datetime) -> None:
        self._find_slots = find_slots
        self._now = now
        self._found: dict[timedelta, Sequence[Slot]] = {}
        self._silent = False

    def look(self, assessment: Assessment) -> Sequence[Slot]:
        """The slots that suit an assessment. A remote call, so not for inside a transaction."""
        within = longest_wait(assessment)
        return () if within is None else self._look(within)

    def suiting(self, assessment: Assessment) -> Sequence[Slot]:
        """The slots that suit an assessment, from what was looked for; else raises NotLookedFor."""
        within = longest_wait(assessment)
        if within is None:
            return ()
        if within not in self._found:
            raise NotLookedFor(within)
        return self._found[within]

    def complete(self, work: Callable[[], T]) -> T:
        """The result of *work*, a transaction that asks for what suits. When that was not looked for,
        because another message changed the urgency meanwhile, it is looked for and *work* runs anew.
        """
        while True:
            try:
                return work()
            except NotLookedFor as lacking:
                self._look(lacking.within)

    def _look(self, within: timedelta) -> Sequence[Slot]:
        if within not in self._found:
            self._found[within] = () if self._silent else self._ask(within)
        return self._found[within]

    def _ask(self, within: timedelta) -> Sequence[Slot]:
        request = FindSlotsRequest(limit=MOST)
        # Without a start, scheduling begins at its own present.
        request.window.end.FromDatetime(self._now + within)
        answer = optional(self._find_slots, request)
        self._silent = answer is None
        return () if answer is None else answer.slots
