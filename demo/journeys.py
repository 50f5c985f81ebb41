"""What one virtual patient does: chat, book, come, be seen, pay. Only generated stubs are used."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import grpc

from demo.observations import OVER, GaveUp, Observations
from demo.promises import Journey
from plexus.billing.v1 import billing_service_pb2 as billing
from plexus.billing.v1.billing_service_pb2_grpc import BillingServiceStub
from plexus.billing.v1.claim_pb2 import Claim, ClaimState
from plexus.billing.v1.payment_pb2 import Payer
from plexus.errors import Overloaded, PlexusError
from plexus.scheduling.v1 import scheduling_service_pb2 as scheduling
from plexus.scheduling.v1.appointment_pb2 import Appointment
from plexus.scheduling.v1.scheduling_service_pb2_grpc import SchedulingServiceStub
from plexus.scheduling.v1.slot_pb2 import Slot
from plexus.triage.v1 import triage_service_pb2 as triage
from plexus.triage.v1.assessment_pb2 import Assessment, Urgency
from plexus.triage.v1.triage_service_pb2_grpc import TriageServiceStub
from plexus.type.v1.money_pb2 import Money

Request = TypeVar("Request")
Response = TypeVar("Response")

STORIES = (
    "I have had a cough and a runny nose for three days. No fever.",
    "My lower back has hurt since I lifted a box yesterday. It is about 4 out of 10.",
    "I have a sore throat since this morning and it hurts to swallow.",
    "I have had an itchy rash on my arm for two days.",
    "It hurts to pass urine since yesterday. No fever, no back pain.",
    "I have had a mild headache on and off for a week.",
    "I feel sick and have had loose stools since last night.",
    "My ear hurts, about 5 out of 10, for two days.",
    "My knee has been swollen and stiff for three weeks.",
    "I have crushing chest pain and I am sweating, it began half an hour ago.",
)
"""What patients come with, made up. The last one is an emergency, and is not for an appointment."""

ANSWERS = (("from 0 to 10", "3"), ("How long", "Two days."), ("How old", "45"))
_ANSWER = "No, nothing like that."
_MOST_ANSWERS = 2

_EMERGENCIES = frozenset({Urgency.URGENCY_IMMEDIATE, Urgency.URGENCY_EMERGENT})
_GONE = frozenset({"SLOT_TAKEN", "SLOT_NOT_OFFERED"})
_MOST_SLOTS = 8

_RETURNS = 3
_RETURN_AFTER = (0.6, 1.4)
"""A patient who is told that a service has too much to do comes back after about as many seconds as
its answer asks for, and gives up when that has happened this often."""

CLAIM_PATIENCE = 5.0
"""Seconds that a patient who is about to pay waits for the claim to be ready."""
_CLAIM_POLL = 0.2


class Channels(Protocol):
    """Where channels into the mesh come from."""

    def channel(self, workload: str) -> grpc.Channel:
        """A channel to a service."""


class Stubs:
    """The three services that patients deal with. Records is behind them."""

    def __init__(self, channels: Channels) -> None:
        self.triage = TriageServiceStub(channels.channel("triage"))
        self.scheduling = SchedulingServiceStub(channels.channel("scheduling"))
        self.billing = BillingServiceStub(channels.channel("billing"))


@dataclass(frozen=True, slots=True)
class Advice:
    """What triage said."""

    conversation_id: str
    emergency: bool
    slots: Sequence[Slot]


class Journeys:
    """Plays journeys and tells `observations` of every try. Safe to use from many threads."""

    def __init__(
        self, stubs: Stubs, patients: Sequence[str], observations: Observations, seed: int
    ) -> None:
        self._stubs = stubs
        self._patients = patients
        self._seen = observations
        self._seed = seed
        self._manners = random.Random(seed)

    def end(self) -> None:
        """Let everybody go home after the call they are in."""
        self._seen.over = True

    def play(self, number: int) -> str | None:
        """The journey with this number; the appointment that is completed and not paid, if any."""
        chance = random.Random(f"{self._seed}:{number}")
        patient_id = self._patients[number % len(self._patients)]
        try:
            with self._seen.trying(Journey.CHAT):
                advice = self._chat(patient_id, chance.choice(STORIES))
            if advice.emergency:
                return None
            with self._seen.trying(Journey.BOOK):
                appointment = self._book(patient_id, advice, chance)
            with self._seen.trying(Journey.VISIT):
                self._visit(appointment)
        except GaveUp:
            return None
        return None if self.pay(appointment.id) else appointment.id

    def pay(self, appointment_id: str) -> bool:
        """Be claimed, submit, pay. A patient who could not pay comes back and does the same again:
        the requests carry the same ids, so what was done before is not done twice."""
        try:
            with self._seen.trying(Journey.PAY):
                claim = self._await_claim(appointment_id)
                self._settle(claim)
        except GaveUp:
            return False
        return True

    def _chat(self, patient_id: str, story: str) -> Advice:
        begun = self._ask(
            self._stubs.triage.StartConversation,
            triage.StartConversationRequest(patient_id=patient_id),
        )
        conversation_id = begun.conversation.id
        answer = self._say(conversation_id, story)
        for _ in range(_MOST_ANSWERS):
            question = answer.assessment.next_question
            if not question:
                break
            answer = self._say(conversation_id, reply_to(question))
        return Advice(conversation_id, is_emergency(answer.assessment), answer.slots)

    def _say(self, conversation_id: str, text: str) -> triage.SendMessageResponse:
        answer = self._ask(
            self._stubs.triage.SendMessage,
            triage.SendMessageRequest(conversation_id=conversation_id, text=text),
        )
        self._seen.degraded([lacking.dependency for lacking in answer.degradations])
        return answer

    def _book(self, patient_id: str, advice: Advice, chance: random.Random) -> Appointment:
        """Take one of the offered times; when somebody was faster, another."""
        slots = list(advice.slots)
        for _ in range(_MOST_SLOTS):
            slots = slots or list(self._find_slots())
            if not slots:
                raise GaveUp("NO_SLOT")
            slot = slots.pop(chance.randrange(len(slots)))
            try:
                return self._take(patient_id, advice.conversation_id, slot)
            except PlexusError as refusal:
                if refusal.reason not in _GONE:
                    raise
        raise GaveUp("SLOT_TAKEN")

    def _find_slots(self) -> Sequence[Slot]:
        find = self._stubs.scheduling.FindSlots
        return self._ask(find, scheduling.FindSlotsRequest(limit=100)).slots

    def _take(self, patient_id: str, conversation_id: str, slot: Slot) -> Appointment:
        booked = self._ask(
            self._stubs.scheduling.BookAppointment,
            scheduling.BookAppointmentRequest(
                patient_id=patient_id,
                practitioner_id=slot.practitioner_id,
                appointment_type_id=slot.appointment_type_id,
                start_time=slot.start_time,
                conversation_id=conversation_id,
            ),
        )
        self._seen.degraded([lacking.dependency for lacking in booked.degradations])
        return booked.appointment

    def _visit(self, appointment: Appointment) -> None:
        desk = self._stubs.scheduling
        come = scheduling.CheckInAppointmentRequest(appointment_id=appointment.id)
        self._ask(desk.CheckInAppointment, come)
        done = scheduling.CompleteAppointmentRequest(appointment_id=appointment.id)
        self._ask(desk.CompleteAppointment, done)
        self._seen.completed(appointment.id)

    def _await_claim(self, appointment_id: str) -> Claim:
        deadline = time.monotonic() + CLAIM_PATIENCE
        request = billing.ListClaimsRequest(appointment_id=appointment_id)
        while True:
            claims = self._ask(self._stubs.billing.ListClaims, request).claims
            if claims and claims[0].state != ClaimState.CLAIM_STATE_AWAITING_RECORDS:
                self._seen.claimed({appointment_id})
                return claims[0]
            if time.monotonic() > deadline or self._seen.over:
                raise GaveUp(OVER if self._seen.over else "NOT_CLAIMED_YET")
            time.sleep(_CLAIM_POLL)

    def _settle(self, claim: Claim) -> None:
        submit = billing.SubmitClaimRequest(request_id=f"{claim.id}-submit", claim_id=claim.id)
        self._ask(self._stubs.billing.SubmitClaim, submit)
        for payer, share in (
            (Payer.PAYER_INSURER, claim.insurer_share),
            (Payer.PAYER_PATIENT, claim.patient_share),
        ):
            if share.minor_units:
                self._pay_share(claim, payer, share)

    def _pay_share(self, claim: Claim, payer: Payer.ValueType, share: Money) -> None:
        answer = self._ask(
            self._stubs.billing.RecordPayment,
            billing.RecordPaymentRequest(
                request_id=f"{claim.id}-{Payer.Name(payer)}",
                claim_id=claim.id,
                payer=payer,
                amount=share,
            ),
        )
        self._seen.paid(answer.payment.id, answer.payment.amount.minor_units)

    def _ask(self, call: Callable[[Request], Response], request: Request) -> Response:
        """Make a call; come back when the service asks for that."""
        for _ in range(_RETURNS):
            try:
                return call(request)
            except Overloaded as told:
                self._seen.told_to_return()
                time.sleep(told.retry_after or self._manners.uniform(*_RETURN_AFTER))
        return call(request)


def reply_to(question: str) -> str:
    """What a virtual patient answers."""
    return next((answer for words, answer in ANSWERS if words in question), _ANSWER)


def is_emergency(assessment: Assessment) -> bool:
    """Whether an appointment is not what the patient needs."""
    return assessment.urgency in _EMERGENCIES
