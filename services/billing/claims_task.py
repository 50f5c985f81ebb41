"""The task `claims`: every completed appointment becomes one claim, charged to the patient."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from sqlalchemy import Connection

from mesh.persistence import Database, Follower
from plexus.scheduling.v1.appointment_event_pb2 import AppointmentChange
from plexus.scheduling.v1.scheduling_service_pb2 import (
    StreamAppointmentEventsRequest,
    StreamAppointmentEventsResponse,
)
from services.billing.batches import Batches
from services.billing.domain.fees import FeeSchedule
from services.billing.domain.ledger import charge
from services.billing.messages import claim_of
from services.billing.store import claims, ledger

Batch = tuple[StreamAppointmentEventsResponse, ...]
Feed = Callable[[StreamAppointmentEventsRequest], Iterable[StreamAppointmentEventsResponse]]


class ClaimsTask:
    """Applies batches of scheduling's events. An event that comes again makes nothing again."""

    def __init__(self, feed: Feed, schedule: FeeSchedule, clock: Callable[[], datetime]) -> None:
        self._feed = feed
        self._schedule = schedule
        self._clock = clock

    def follower(self, database: Database) -> Follower[Batch]:
        """The task itself: the cursor is the last event of a batch, and commits with its effect."""
        return Follower(
            "claims",
            database,
            subscribe=self.subscribe,
            sequence_of=lambda batch: batch[-1].event.sequence,
            apply=self.apply,
            time_of=lambda batch: batch[-1].event.time.ToNanoseconds() / 1e9,
            causes_of=lambda batch: [told.event.traceparent for told in batch],
        )

    def subscribe(self, after: int) -> Batches[StreamAppointmentEventsResponse]:
        """What happens after an event, in batches."""
        return Batches(self._feed(StreamAppointmentEventsRequest(after_sequence=after)))

    def apply(self, tx: Connection, batch: Batch) -> None:
        """Open and charge a claim for each appointment that was completed and has none."""
        now = self._clock()
        completed = [
            claim_of(told.event, self._schedule, now)
            for told in batch
            if told.event.change == AppointmentChange.APPOINTMENT_CHANGE_COMPLETED
        ]
        opened = claims.add(tx, completed)
        ledger.enter(
            tx, (ledger.Happening(charge(claim.total), claim, claim.id, now) for claim in opened)
        )
