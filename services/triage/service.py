"""The handlers of triage, and how the service is assembled."""

# ruff: noqa: ARG002 - what a handler could ask of its context, the stack has asked

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mesh.host import Built, Parts
from mesh.persistence import Database, new_id, once
from plexus.errors import Fault
from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub
from plexus.scheduling.v1.scheduling_service_pb2_grpc import SchedulingServiceStub
from plexus.triage.v1 import triage_service_pb2 as api
from plexus.triage.v1.conversation_pb2 import Author
from plexus.triage.v1.errors_pb2 import TriageError
from plexus.triage.v1.triage_service_pb2_grpc import TriageServiceServicer
from services.triage.charts import Charts, GetChart
from services.triage.domain import (
    OPENING,
    Assessment,
    Conversation,
    begin,
    converse,
    knowledge_version,
    load_knowledge,
    reassess,
    reply_of,
)
from services.triage.messages import ABOUT, assessment_message, conversation_message
from services.triage.offers import FindSlots, Offers
from services.triage.store import conversations
from services.triage.store.conversations import Kept, Remembered, Said

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import grpc
    from sqlalchemy import Connection

MOST_MESSAGES = 200


@dataclass(frozen=True, slots=True)
class _Heard:
    """A message as it was heard before the lock was held: after *before*, with *chart*."""

    before: Conversation
    chart: Remembered | None
    talk: Conversation
    assessed: Assessment


class Triage(TriageServiceServicer):
    """Translates, decides, translates."""

    def __init__(
        self,
        database: Database,
        get_chart: GetChart,
        find_slots: FindSlots,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._charts = Charts(get_chart, clock)
        self._find_slots = find_slots
        self._clock = clock

    def StartConversation(
        self, request: api.StartConversationRequest, context: grpc.ServicerContext
    ) -> api.StartConversationResponse:
        """The conversation, begun; records and scheduling are asked before any lock is held."""
        chart = self._charts.first(request.patient_id)
        talk = begin(ABOUT[request.speaker])
        response = api.StartConversationResponse(reply=OPENING)
        if request.text:
            talk, assessed = _heard(talk, request.text, chart)
            response.reply = reply_of(assessed)
            response.assessment.CopyFrom(assessment_message(talk, assessed, chart))
            response.slots.extend(self._offers().look(assessed))

        def work(tx: Connection) -> api.StartConversationResponse:
            now = self._clock()
            said = _turns(request.text, response.reply, now)
            begun = Kept(
                id=new_id("cnv"),
                patient_id=request.patient_id,
                speaker=request.speaker,
                talk=talk,
                chart=chart,
                turns=len(said),
                create_time=now,
                update_time=now,
            )
            conversations.add(tx, begun)
            conversations.say(tx, begun.id, 0, said)
            response.conversation.CopyFrom(conversation_message(begun, said))
            return response

        return once(self._database, request, api.StartConversationResponse, work)

    def SendMessage(
        self, request: api.SendMessageRequest, context: grpc.ServicerContext
    ) -> api.SendMessageResponse:
        """The answer to a message. Records and scheduling are asked before any lock is held; the
        message is then heard by the conversation as it stands under the lock."""
        with self._database.read() as tx:
            before = _existing(conversations.get(tx, request.conversation_id), request)
        chart = self._charts.refreshed(before.patient_id, before.chart)
        heard = _Heard(before.talk, chart, *_heard(before.talk, request.text, chart))
        offers = self._offers()
        offers.look(heard.assessed)
        return offers.complete(
            lambda: once(
                self._database,
                request,
                api.SendMessageResponse,
                lambda tx: self._go_on(tx, request, heard, offers),
            )
        )

    def GetAssessment(
        self, request: api.GetAssessmentRequest, context: grpc.ServicerContext
    ) -> api.GetAssessmentResponse:
        """The conversation and its assessment."""
        with self._database.read() as tx:
            kept = _existing(conversations.get(tx, request.conversation_id), request)
            said = conversations.said(tx, kept.id)
        response = api.GetAssessmentResponse(conversation=conversation_message(kept, said))
        if kept.talk.messages:
            assessed = reassess(kept.talk, kept.chart.patient if kept.chart else None)
            response.assessment.CopyFrom(assessment_message(kept.talk, assessed, kept.chart))
            response.slots.extend(self._offers().look(assessed))
        return response

    def _go_on(
        self,
        tx: Connection,
        request: api.SendMessageRequest,
        heard: _Heard,
        offers: Offers,
    ) -> api.SendMessageResponse:
        kept = _existing(conversations.lock(tx, request.conversation_id), request)
        if kept.talk.messages >= MOST_MESSAGES:
            full = TriageError.TRIAGE_ERROR_CONVERSATION_FULL
            raise Fault(TriageError, full, conversation_id=kept.id)
        chart = _newer(kept.chart, heard.chart)
        if (kept.talk, chart) == (heard.before, heard.chart):
            talk, assessed = heard.talk, heard.assessed
        else:
            # Another message came in between: this one is heard as what follows it.
            talk, assessed = _heard(kept.talk, request.text, chart)
        slots = offers.suiting(assessed)
        now = self._clock()
        said = _turns(request.text, reply_of(assessed), now)
        turns = kept.turns + len(said)
        conversations.say(tx, kept.id, kept.turns, said)
        conversations.save(tx, replace(kept, talk=talk, chart=chart, turns=turns, update_time=now))
        return api.SendMessageResponse(
            reply=reply_of(assessed),
            assessment=assessment_message(talk, assessed, chart),
            slots=slots,
            patient_id=kept.patient_id,
        )

    def _offers(self) -> Offers:
        return Offers(self._find_slots, self._clock())


def build(parts: Parts) -> Built:
    """Triage, with its knowledge read: a mistake in it is found before anybody is answered."""
    load_knowledge()
    knowledge_version()
    servicer = Triage(
        parts.database,
        RecordsServiceStub(parts.channel("records")).GetChart,
        SchedulingServiceStub(parts.channel("scheduling")).FindSlots,
        parts.clock,
    )
    return Built(servicers=((api.DESCRIPTOR.services_by_name["TriageService"], servicer),))


def _heard(
    talk: Conversation, text: str, chart: Remembered | None
) -> tuple[Conversation, Assessment]:
    return converse(talk, text, chart.patient if chart else None)


def _turns(text: str, reply: str, now: datetime) -> list[Said]:
    person = [Said(Author.AUTHOR_PERSON, text, now)] if text else []
    return [*person, Said(Author.AUTHOR_TRIAGE, reply, now)]


def _newer(kept: Remembered | None, read: Remembered | None) -> Remembered | None:
    known = [each for each in (kept, read) if each is not None]
    return max(known, key=lambda each: each.read_time, default=None)


def _existing(
    kept: Kept | None, request: api.SendMessageRequest | api.GetAssessmentRequest
) -> Kept:
    if kept is None:
        raise Fault(
            TriageError,
            TriageError.TRIAGE_ERROR_CONVERSATION_NOT_FOUND,
            conversation_id=request.conversation_id,
        )
    return kept
