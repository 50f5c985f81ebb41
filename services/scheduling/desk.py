"""What is done to appointments, each in one transaction that ends by telling the feed."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from mesh.persistence import new_id
from plexus.scheduling.v1.appointment_event_pb2 import AppointmentChange
from plexus.scheduling.v1.appointment_pb2 import (
    Appointment,
    AppointmentState,
    PatientVerification,
)
from plexus.scheduling.v1.appointment_type_pb2 import AppointmentType
from plexus.scheduling.v1.errors_pb2 import (
    SCHEDULING_ERROR_APPOINTMENT_NOT_FOUND,
    SCHEDULING_ERROR_APPOINTMENT_TYPE_NOT_FOUND,
    SCHEDULING_ERROR_PATIENT_UNKNOWN,
    SCHEDULING_ERROR_PRACTITIONER_NOT_FOUND,
    SCHEDULING_ERROR_SLOT_TAKEN,
)
from plexus.scheduling.v1.scheduling_service_pb2 import (
    BookAppointmentRequest,
    CancelAppointmentRequest,
    CompleteAppointmentRequest,
    RescheduleAppointmentRequest,
)
from services.scheduling.domain.appointments import Verb, move, stamp
from services.scheduling.domain.faults import fault
from services.scheduling.domain.moments import whole
from services.scheduling.domain.offers import check_offer, seconds_of
from services.scheduling.store import appointments, directory
from services.scheduling.store.directory import Member


class VerbRequest(Protocol):
    """What the requests of all verbs have in common."""

    @property
    def appointment_id(self) -> str:
        """Which appointment."""

    @property
    def etag(self) -> str:
        """As it was read; empty for whatever it is."""


def book(
    tx: Connection,
    request: BookAppointmentRequest,
    verification: PatientVerification.ValueType,
    now: datetime,
) -> Appointment:
    """Set a time aside. *verification* is what records said of the patient."""
    member = existing_member(tx, request.practitioner_id)
    kind = appointment_type(tx, request.appointment_type_id)
    seconds = seconds_of(kind)
    check_offer(*member, kind, request.start_time, seconds, whole(now))
    if verification == PatientVerification.PATIENT_VERIFICATION_UNKNOWN_PATIENT:
        raise fault(SCHEDULING_ERROR_PATIENT_UNKNOWN, patient_id=request.patient_id)
    appointment = Appointment(
        id=new_id("app"),
        patient_id=request.patient_id,
        patient_verification=verification,
        clinic_id=member.practitioner.clinic_id,
        practitioner_id=member.practitioner.id,
        appointment_type_id=kind.id,
        appointment_type_code=kind.code,
        start_time=request.start_time,
        state=AppointmentState.APPOINTMENT_STATE_BOOKED,
        reason=request.reason,
        conversation_id=request.conversation_id,
    )
    appointment.end_time.seconds = request.start_time.seconds + seconds
    appointment.create_time.FromDatetime(now)
    stamp(appointment, now)
    appointments.add(tx, appointment)
    appointments.alone_with(tx, appointment.practitioner_id)
    _occupy(tx, appointment)
    appointments.tell(tx, AppointmentChange.APPOINTMENT_CHANGE_BOOKED, [appointment], now)
    return appointment


def reschedule(tx: Connection, request: RescheduleAppointmentRequest, now: datetime) -> Appointment:
    """Move an appointment to another time, and maybe to another practitioner."""
    appointment = _moved(tx, request, Verb.RESCHEDULE)
    member = existing_member(tx, request.practitioner_id or appointment.practitioner_id)
    kind = appointment_type(tx, appointment.appointment_type_id)
    seconds = appointment.end_time.seconds - appointment.start_time.seconds
    check_offer(*member, kind, request.start_time, seconds, whole(now))
    appointments.alone_with(tx, appointment.practitioner_id, member.practitioner.id)
    appointments.release(tx, appointment)
    appointment.clinic_id = member.practitioner.clinic_id
    appointment.practitioner_id = member.practitioner.id
    appointment.start_time.CopyFrom(request.start_time)
    appointment.end_time.seconds = request.start_time.seconds + seconds
    _occupy(tx, appointment)
    return _changed(tx, appointment, Verb.RESCHEDULE, now)


def cancel(tx: Connection, request: CancelAppointmentRequest, now: datetime) -> Appointment:
    """Call an appointment off; its time is free again."""
    appointment = _moved(tx, request, Verb.CANCEL)
    appointment.cancel_reason = request.reason
    appointments.release(tx, appointment)
    return _changed(tx, appointment, Verb.CANCEL, now)


def complete(tx: Connection, request: CompleteAppointmentRequest, now: datetime) -> Appointment:
    """Note that care was given, and what."""
    appointment = _moved(tx, request, Verb.COMPLETE)
    appointment.services.extend(request.services)
    appointment.diagnoses.extend(request.diagnoses)
    return _changed(tx, appointment, Verb.COMPLETE, now)


def note(tx: Connection, request: VerbRequest, verb: Verb, now: datetime) -> Appointment:
    """Do a verb that changes nothing but the state."""
    return _changed(tx, _moved(tx, request, verb), verb, now)


def appointment_type(tx: Connection, type_id: str) -> AppointmentType:
    """The type, or APPOINTMENT_TYPE_NOT_FOUND."""
    found = directory.appointment_type(tx, type_id)
    if found is None:
        raise fault(SCHEDULING_ERROR_APPOINTMENT_TYPE_NOT_FOUND, appointment_type_id=type_id)
    return found


def existing_member(tx: Connection, practitioner_id: str) -> Member:
    """The practitioner, or PRACTITIONER_NOT_FOUND."""
    found = directory.member(tx, practitioner_id)
    if found is None:
        raise fault(SCHEDULING_ERROR_PRACTITIONER_NOT_FOUND, practitioner_id=practitioner_id)
    return found


def existing(appointment: Appointment | None, appointment_id: str) -> Appointment:
    """The appointment, or APPOINTMENT_NOT_FOUND."""
    if appointment is None:
        raise fault(SCHEDULING_ERROR_APPOINTMENT_NOT_FOUND, appointment_id=appointment_id)
    return appointment


def _moved(tx: Connection, request: VerbRequest, verb: Verb) -> Appointment:
    held = appointments.lock(tx, request.appointment_id)
    appointment = existing(held, request.appointment_id)
    move(appointment, verb, request.etag)
    return appointment


def _occupy(tx: Connection, appointment: Appointment) -> None:
    if not appointments.occupy(tx, appointment):
        raise fault(SCHEDULING_ERROR_SLOT_TAKEN, practitioner_id=appointment.practitioner_id)


def _changed(tx: Connection, appointment: Appointment, verb: Verb, now: datetime) -> Appointment:
    stamp(appointment, now)
    appointments.replace(tx, appointment)
    appointments.tell(tx, verb.value, [appointment], now)
    return appointment
