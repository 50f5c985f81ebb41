"""Asks records whether patients exist: when an appointment is booked and, if records did not answer
then, again until it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from mesh.persistence import Database
from plexus.client import inbound, optional, working
from plexus.errors import NotFound
from plexus.records.v1.records_service_pb2 import GetPatientRequest, GetPatientResponse
from plexus.scheduling.v1.appointment_event_pb2 import AppointmentChange
from plexus.scheduling.v1.appointment_pb2 import PatientVerification
from services.scheduling.domain.appointments import stamp
from services.scheduling.store import appointments

UNVERIFIED = PatientVerification.PATIENT_VERIFICATION_UNVERIFIED
UNKNOWN = PatientVerification.PATIENT_VERIFICATION_UNKNOWN_PATIENT
VERIFIED = PatientVerification.PATIENT_VERIFICATION_VERIFIED

GetPatient = Callable[[GetPatientRequest], GetPatientResponse]

_BATCH = 100


def ask(get_patient: GetPatient, patient_id: str) -> PatientVerification.ValueType:
    """What records says of a patient: VERIFIED, UNKNOWN_PATIENT, or UNVERIFIED for no answer."""
    try:
        answer = optional(get_patient, GetPatientRequest(patient_id=patient_id))
    except NotFound:
        return UNKNOWN
    return UNVERIFIED if answer is None else VERIFIED


class Verification:
    """The task `verification`. Replicas may take turns at the same time: an answer counts once."""

    def __init__(
        self, database: Database, get_patient: GetPatient, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._get_patient = get_patient
        self._clock = clock

    def turn(self) -> None:
        """Ask about the patients nobody has confirmed. While records is away, its breaker makes this
        cheap."""
        with self._database.read() as tx:
            patients = appointments.unverified_patients(tx, _BATCH)
        for patient_id in patients:
            if (answer := self._ask(patient_id)) != UNVERIFIED:
                self._note(patient_id, answer)

    def _ask(self, patient_id: str) -> PatientVerification.ValueType:
        work = inbound()
        if work is None:
            return ask(self._get_patient, patient_id)
        # The task is one long piece of work; what one call lacked is not to pile up in it.
        with working(replace(work, degradations=[])):
            return ask(self._get_patient, patient_id)

    def _note(self, patient_id: str, answer: PatientVerification.ValueType) -> None:
        def note(tx: Connection) -> None:
            now = self._clock()
            changed = appointments.lock_unverified(tx, patient_id)
            for appointment in changed:
                appointment.patient_verification = answer
                stamp(appointment, now)
                appointments.replace(tx, appointment)
            change = AppointmentChange.APPOINTMENT_CHANGE_PATIENT_VERIFIED
            appointments.tell(tx, change, changed, now)

        self._database.transact(note)
