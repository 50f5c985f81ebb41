"""Intents made into calls: with what, how to send them, and what to learn from the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mesh.chaos.history.board import Board, Stage
from mesh.chaos.history.generator import Intent
from mesh.chaos.history.operation import Answer, Kind, slot_name
from mesh.chaos.history.practice import Practice, Stubs, patient, pieces
from plexus.billing.v1 import billing_service_pb2 as billing
from plexus.billing.v1.claim_pb2 import Claim
from plexus.billing.v1.payment_pb2 import Payer
from plexus.records.v1 import records_service_pb2 as records
from plexus.scheduling.v1 import scheduling_service_pb2 as scheduling
from plexus.scheduling.v1.appointment_pb2 import Appointment
from plexus.type.v1.money_pb2 import Money

_IMPORT_PATIENCE = 15.0
_WINDOW = 24
_PACE = 4
"""Slots that clients want at one time, and after how many operations the first of them moves on.
Together with the number of practitioners: about one booking in four finds its slot taken."""

_FINAL = frozenset({"CLAIM_ALREADY_SUBMITTED"})


@dataclass(frozen=True, slots=True)
class Call:
    """A request, ready to be sent as often as need be. *send* raises PlexusError. *lost* is told when
    it was refused, with the reason, or with none when nobody knows."""

    kind: Kind
    key: str
    subject: str
    send: Callable[[], Answer]
    amount: int = 0
    lost: Callable[[str], None] = lambda _: None


class Calls:
    """Makes calls for one client."""

    def __init__(self, stubs: Stubs, practice: Practice, board: Board, process: int) -> None:
        self._stubs = stubs
        self._practice = practice
        self._board = board
        self._process = process
        self._makers: Mapping[Kind, Callable[[Intent], Call | None]] = {
            Kind.BOOK: self._book,
            Kind.RESCHEDULE: self._reschedule,
            Kind.CANCEL: lambda intent: self._verb(intent, Stage.BOOKED),
            Kind.NO_SHOW: lambda intent: self._verb(intent, Stage.BOOKED),
            Kind.CHECK_IN: lambda intent: self._verb(intent, Stage.BOOKED),
            Kind.COMPLETE: lambda intent: self._verb(intent, Stage.CHECKED_IN),
            Kind.SUBMIT: self._submit,
            Kind.PAY: self._pay,
            Kind.IMPORT: self.import_patient,
            Kind.FIND_CLAIM: self._find_claim,
            Kind.GET_APPOINTMENT: self._get_appointment,
            Kind.GET_CLAIM: self._get_claim,
            Kind.GET_PATIENT: self._get_patient,
        }

    def of(self, intent: Intent) -> Call:
        """The call for an intent; a booking, where there is nothing yet to do it to."""
        return self._makers[intent.kind](intent) or self._book(intent)

    def import_patient(self, intent: Intent) -> Call:
        """The import of a new patient."""
        key = self._key(intent)
        resources = patient(f"p{self._process}-{intent.number}", intent.luck)
        sent = pieces(self._practice.run, key, resources)

        def send() -> Answer:
            upload: Any = self._stubs.records.ImportBundle
            told: records.ImportBundleResponse = upload(iter(sent), timeout=_IMPORT_PATIENCE)
            (patient_id,) = told.patient_ids
            self._board.add_patient(patient_id)
            return Answer(patient_id, amount=told.created + told.replaced + told.unchanged)

        return Call(Kind.IMPORT, key, resources[0]["id"], send, len(resources))

    def _book(self, intent: Intent) -> Call:
        practitioner, start = self._slot(intent)
        request = scheduling.BookAppointmentRequest(
            request_id=self._key(intent),
            patient_id=self._board.patient(intent.luck),
            practitioner_id=practitioner,
            appointment_type_id=self._practice.appointment_type,
        )
        request.start_time.seconds = start

        def send() -> Answer:
            booked = self._stubs.scheduling.BookAppointment(request).appointment
            self._board.move(booked.id, Stage.BOOKED)
            return _version(booked)

        return Call(Kind.BOOK, request.request_id, slot_name(practitioner, start), send)

    def _reschedule(self, intent: Intent) -> Call | None:
        name = self._board.pick(Stage.BOOKED, intent.luck)
        if name is None:
            return None
        practitioner, start = self._slot(intent)
        request = scheduling.RescheduleAppointmentRequest(
            request_id=self._key(intent), appointment_id=name, practitioner_id=practitioner
        )
        request.start_time.seconds = start

        def send() -> Answer:
            return _version(self._stubs.scheduling.RescheduleAppointment(request).appointment)

        return Call(Kind.RESCHEDULE, request.request_id, name, send)

    def _verb(self, intent: Intent, stage: Stage) -> Call | None:
        name = self._board.pick(stage, intent.luck)
        if name is None:
            return None
        desk: Any = self._stubs.scheduling
        method, request_type, becomes = {
            Kind.CANCEL: (desk.CancelAppointment, scheduling.CancelAppointmentRequest, None),
            Kind.NO_SHOW: (desk.MarkNoShow, scheduling.MarkNoShowRequest, None),
            Kind.CHECK_IN: (
                desk.CheckInAppointment,
                scheduling.CheckInAppointmentRequest,
                Stage.CHECKED_IN,
            ),
            Kind.COMPLETE: (
                desk.CompleteAppointment,
                scheduling.CompleteAppointmentRequest,
                Stage.COMPLETED,
            ),
        }[intent.kind]
        request = request_type(request_id=self._key(intent), appointment_id=name)

        def send() -> Answer:
            changed: Appointment = method(request).appointment
            if becomes is None:
                self._board.leave(name)
            else:
                self._board.move(name, becomes)
            return _version(changed)

        return Call(intent.kind, self._key(intent), name, send, lost=self._leaving(name))

    def _submit(self, intent: Intent) -> Call | None:
        claim = self._board.pick(Stage.CLAIMED, intent.luck)
        if claim is None:
            return None
        request = billing.SubmitClaimRequest(request_id=self._key(intent), claim_id=claim)

        def send() -> Answer:
            submitted = self._stubs.billing.SubmitClaim(request).claim
            self._board.leave(claim)
            self._board.owe(claim, Payer.PAYER_PATIENT, submitted.patient_share.minor_units)
            self._board.owe(claim, Payer.PAYER_INSURER, submitted.insurer_share.minor_units)
            return Answer(claim)

        def lost(reason: str) -> None:
            if reason in _FINAL:
                self._board.leave(claim)

        return Call(Kind.SUBMIT, request.request_id, claim, send, lost=lost)

    def _pay(self, intent: Intent) -> Call | None:
        debt = self._board.debt(intent.luck)
        if debt is None:
            return None
        claim, payer, left = debt
        # Half of the payments settle a debt, the others are any part of it.
        amount = left if intent.luck % 2 else 1 + intent.luck // 2 % left
        request = billing.RecordPaymentRequest(
            request_id=self._key(intent),
            claim_id=claim,
            payer=payer,
            amount=Money(currency="USD", minor_units=amount),
        )

        def send() -> Answer:
            told = self._stubs.billing.RecordPayment(request)
            self._board.owe(claim, payer, left - amount)
            return Answer(claim, told.payment.id, told.payment.amount.minor_units)

        def lost(_: str) -> None:
            self._board.owe(claim, payer, 0)

        return Call(Kind.PAY, request.request_id, claim, send, amount, lost)

    def _find_claim(self, intent: Intent) -> Call | None:
        name = self._board.pick(Stage.COMPLETED, intent.luck)
        if name is None:
            return None
        request = billing.ListClaimsRequest(appointment_id=name)

        def send() -> Answer:
            found = self._stubs.billing.ListClaims(request).claims
            if found:
                self._board.leave(name)
                self._board.move(found[0].id, Stage.CLAIMED)
            return Answer(found[0].id if found else "", amount=len(found))

        return Call(Kind.FIND_CLAIM, "", name, send)

    def _get_appointment(self, intent: Intent) -> Call | None:
        name = self._board.appointment(intent.luck)
        if name is None:
            return None
        request = scheduling.GetAppointmentRequest(appointment_id=name)

        def send() -> Answer:
            return _version(self._stubs.scheduling.GetAppointment(request).appointment)

        return Call(Kind.GET_APPOINTMENT, "", name, send)

    def _get_claim(self, intent: Intent) -> Call | None:
        name = self._board.claim(intent.luck)
        if name is None:
            return None
        request = billing.GetClaimRequest(claim_id=name)

        def send() -> Answer:
            found: Claim = self._stubs.billing.GetClaim(request).claim
            return Answer(found.id, amount=found.paid.minor_units)

        return Call(Kind.GET_CLAIM, "", name, send)

    def _get_patient(self, intent: Intent) -> Call:
        name = self._board.patient(intent.luck)
        request = records.GetPatientRequest(patient_id=name)

        def send() -> Answer:
            return Answer(self._stubs.records.GetPatient(request).patient.id)

        return Call(Kind.GET_PATIENT, "", name, send)

    def _slot(self, intent: Intent) -> tuple[str, int]:
        those = self._practice.practitioners
        chosen = intent.luck // len(those) % _WINDOW
        slot = intent.number // _PACE + chosen
        return those[intent.luck % len(those)], self._practice.start_of(slot)

    def _leaving(self, name: str) -> Callable[[str], None]:
        return lambda _: self._board.leave(name)

    def _key(self, intent: Intent) -> str:
        return f"storm-{self._practice.run}-{self._process}-{intent.number}"


def _version(appointment: Appointment) -> Answer:
    return Answer(appointment.id, appointment.etag)
