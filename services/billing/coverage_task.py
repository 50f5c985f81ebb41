"""The task `coverage`: asks records who the patient is insured with, until it answers.

A claim waits, and is asked about again with growing pauses, while records does not answer. When
records answers that it knows no such patient, the claim is ready and the patient pays all: the care
was given, so it is billed, and no later answer is to be expected.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from mesh.persistence import Database, Periodic
from plexus.client import optional
from plexus.errors import NotFound, PlexusError
from plexus.records.v1.records_service_pb2 import (
    GetPatientRequest,
    GetPatientResponse,
    ListCoveragesRequest,
    ListCoveragesResponse,
)
from services.billing.domain.claim import Claim, settle
from services.billing.domain.coverage import Coverage, choose, pause
from services.billing.domain.ledger import transfer
from services.billing.messages import coverage_of, date_message
from services.billing.store import claims, ledger

EVERY = 0.2
"""Seconds between looks for claims that wait: one look is one small query."""

_ROUND = 100
_SILENCES = 3

_log = logging.getLogger(__name__)


class Records(Protocol):
    """What is asked of records."""

    @property
    def GetPatient(self) -> Callable[[GetPatientRequest], GetPatientResponse]:
        """The patient; NotFound."""

    @property
    def ListCoverages(self) -> Callable[[ListCoveragesRequest], ListCoveragesResponse]:
        """The patient's insurance; NotFound."""


class Visit(NamedTuple):
    """Who is asked about, for which day."""

    patient_id: str
    day: date


class Answer(NamedTuple):
    """What records said: the coverage that pays, or that none does."""

    coverage: Coverage | None


class CoverageTask:
    """Makes claims that await records ready."""

    def __init__(self, database: Database, records: Records, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._records = records
        self._clock = clock

    def periodic(self) -> Periodic:
        """The task itself."""
        return Periodic("coverage", EVERY, self.work)

    def work(self) -> None:
        """Ask about what is due and make ready what was answered; one round after another."""
        while due := self._take():
            answers = self._ask(due)
            if answers:
                self._database.transact(partial(self._settle, answers))
            if len(answers) < len(due):
                return

    def _take(self) -> list[Claim]:
        """Claims that are due. Each is postponed first: whoever dies asking is followed by another."""
        now = self._clock()
        with self._database.read() as tx:
            if not claims.any_due(tx, now):
                return []
        return self._database.transact(lambda tx: _postponed(tx, now))

    def _ask(self, due: Sequence[Claim]) -> Mapping[str, Answer]:
        """What records says, by claim. Gives up when it is silent several times in a row."""
        known: dict[Visit, Answer] = {}
        answers: dict[str, Answer] = {}
        silences = 0
        for claim in due:
            visit = Visit(claim.patient_id, claim.service_date)
            answer = known.get(visit) or self._answer(visit, claim.id)
            if answer is None:
                silences += 1
                if silences == _SILENCES:
                    break
                continue
            silences = 0
            known[visit] = answers[claim.id] = answer
        return answers

    def _answer(self, visit: Visit, claim_id: str) -> Answer | None:
        try:
            return self._ask_records(visit)
        except NotFound:
            _log.warning("records knows no patient for %s: the patient pays", claim_id)
            return Answer(None)
        except PlexusError as refusal:
            # It will not do to wait for ever, nor to stop the others: a person has to look.
            _log.warning("records refuses to tell about %s: %s", claim_id, refusal.reason)
            return None

    def _ask_records(self, visit: Visit) -> Answer | None:
        who = GetPatientRequest(patient_id=visit.patient_id)
        if optional(self._records.GetPatient, who) is None:
            return None
        day = date_message(visit.day)
        insured = optional(
            self._records.ListCoverages,
            ListCoveragesRequest(patient_id=visit.patient_id, date=day),
        )
        if insured is None:
            return None
        known = (coverage_of(coverage) for coverage in insured.coverages)
        return Answer(choose(known, (visit.day.year, visit.day.month, visit.day.day)))

    def _settle(self, answers: Mapping[str, Answer], tx: Connection) -> None:
        now = self._clock()
        waiting = claims.lock_awaiting(tx, answers.keys())
        ready = [settle(claim, answers[claim.id].coverage, now) for claim in waiting]
        claims.save(tx, ready)
        ledger.enter(
            tx,
            (
                ledger.Happening(transfer(claim.insurer_share), claim, claim.id, now)
                for claim in ready
                if claim.insurer_share
            ),
        )


def _postponed(tx: Connection, now: datetime) -> list[Claim]:
    due = claims.due(tx, now, _ROUND)
    again = ((one.claim.id, now + pause(one.asked, random.random())) for one in due)  # noqa: S311
    claims.postpone(tx, again)
    return [one.claim for one in due]
