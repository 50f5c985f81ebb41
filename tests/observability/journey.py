"""One patient's journey through the four services, as one trace."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace

from mesh.runtime.client import Platform
from observability import tracing
from plexus.billing.v1 import billing_service_pb2 as billing
from plexus.billing.v1.billing_service_pb2_grpc import BillingServiceStub
from plexus.billing.v1.claim_pb2 import Claim, ClaimState
from plexus.records.v1 import records_service_pb2 as records
from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub
from plexus.scheduling.v1 import scheduling_service_pb2 as scheduling
from plexus.scheduling.v1.scheduling_service_pb2_grpc import SchedulingServiceStub
from plexus.triage.v1 import triage_service_pb2 as triage
from plexus.triage.v1.triage_service_pb2_grpc import TriageServiceStub

_STORY = "My lower back has hurt since I lifted a box yesterday. It is about 4 out of 10."
_LONGEST = 60.0
_POLL = 0.2

# The calls that the edge makes on a journey.
STEPS = (
    "triage.StartConversation",
    "triage.SendMessage",
    "triage.GetAssessment",
    "scheduling.BookAppointment",
    "scheduling.CheckInAppointment",
    "scheduling.CompleteAppointment",
    "records.GetPatient",
    "billing.ListClaims",
    "billing.SubmitClaim",
)


@contextmanager
def recorded(name: str) -> Iterator[str]:
    """Make everything inside one trace, whose id is given, below one span of this process."""
    with trace.get_tracer(__name__).start_as_current_span(name) as span:
        yield trace.format_trace_id(span.get_span_context().trace_id)
    tracing.flush()


def travel(platform: Platform, patient_id: str) -> None:
    """Chat, book, come, be seen, be claimed for."""
    desk = TriageServiceStub(platform.channel("triage"))
    conversation_id = begin(platform, patient_id)
    answer(platform, conversation_id)
    desk.GetAssessment(triage.GetAssessmentRequest(conversation_id=conversation_id))
    appointment_id = book(platform, patient_id)
    visit(platform, appointment_id)
    RecordsServiceStub(platform.channel("records")).GetPatient(
        records.GetPatientRequest(patient_id=patient_id)
    )
    claim = await_claim(platform, appointment_id)
    BillingServiceStub(platform.channel("billing")).SubmitClaim(
        billing.SubmitClaimRequest(claim_id=claim.id)
    )


def begin(platform: Platform, patient_id: str) -> str:
    """Tell triage what is wrong; the conversation's id."""
    desk = TriageServiceStub(platform.channel("triage"))
    request = triage.StartConversationRequest(patient_id=patient_id, text=_STORY)
    return desk.StartConversation(request).conversation.id


def answer(platform: Platform, conversation_id: str) -> None:
    """Answer what triage asked."""
    desk = TriageServiceStub(platform.channel("triage"))
    text = "No, nothing like that."
    desk.SendMessage(triage.SendMessageRequest(conversation_id=conversation_id, text=text))


def book(platform: Platform, patient_id: str) -> str:
    """Book the first time there is; the appointment's id."""
    stub = SchedulingServiceStub(platform.channel("scheduling"))
    slot = stub.FindSlots(scheduling.FindSlotsRequest(limit=1)).slots[0]
    booked = stub.BookAppointment(
        scheduling.BookAppointmentRequest(
            patient_id=patient_id,
            practitioner_id=slot.practitioner_id,
            appointment_type_id=slot.appointment_type_id,
            start_time=slot.start_time,
        )
    )
    return booked.appointment.id


def visit(platform: Platform, appointment_id: str) -> None:
    """Come and be seen."""
    stub = SchedulingServiceStub(platform.channel("scheduling"))
    stub.CheckInAppointment(scheduling.CheckInAppointmentRequest(appointment_id=appointment_id))
    stub.CompleteAppointment(scheduling.CompleteAppointmentRequest(appointment_id=appointment_id))


def await_claim(platform: Platform, appointment_id: str) -> Claim:
    """The claim of a visit, once billing has made it and knows who pays."""
    stub = BillingServiceStub(platform.channel("billing"))
    request = billing.ListClaimsRequest(appointment_id=appointment_id)
    deadline = time.monotonic() + _LONGEST
    while True:
        claims = stub.ListClaims(request).claims
        if claims and claims[0].state != ClaimState.CLAIM_STATE_AWAITING_RECORDS:
            return claims[0]
        assert time.monotonic() < deadline, "not claimed"
        time.sleep(_POLL)
