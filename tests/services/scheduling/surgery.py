"""A small surgery in New York: scheduling on a database, records that can be silent, a clock to set."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import grpc

from mesh.persistence import Database, migrate
from plexus.client import Inbound, working
from plexus.contract import load
from plexus.errors import NotFound, Unavailable
from plexus.records.v1.records_service_pb2 import GetPatientRequest, GetPatientResponse
from plexus.scheduling.v1 import scheduling_service_pb2 as api
from plexus.scheduling.v1.appointment_event_pb2 import AppointmentEvent
from plexus.scheduling.v1.appointment_pb2 import Appointment
from plexus.scheduling.v1.appointment_type_pb2 import AppointmentType
from plexus.scheduling.v1.clinic_pb2 import Clinic
from plexus.scheduling.v1.practitioner_pb2 import (
    DayHours,
    HoursException,
    Practitioner,
    WeeklyHours,
)
from plexus.scheduling.v1.slot_pb2 import Slot
from plexus.type.v1.date_pb2 import Date
from services.scheduling.service import Scheduling
from services.scheduling.store.tables import events
from services.scheduling.verification import Verification
from tests.servicing import Server

SERVICE = api.DESCRIPTOR.services_by_name["SchedulingService"]
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""A Monday, 07:00 in New York, six days before its clocks go forward."""
PATIENT = "pat_aaaaaaaa"


def patient(number: int) -> str:
    """The id of a patient."""
    return f"pat_{number:08d}"


class Records:
    """Records, as scheduling sees it."""

    path = "plexus.records.v1.RecordsService/GetPatient"

    def __init__(self) -> None:
        self.silent = False
        self.unknown: set[str] = set()

    def __call__(self, request: GetPatientRequest) -> GetPatientResponse:
        """A patient, unless records is silent or does not know them."""
        if self.silent:
            raise Unavailable(grpc.StatusCode.UNAVAILABLE)
        if request.patient_id in self.unknown:
            raise NotFound(grpc.StatusCode.NOT_FOUND, "PATIENT_NOT_FOUND")
        return GetPatientResponse()


class Surgery:
    """One replica of scheduling."""

    def __init__(self, database: Database) -> None:
        migrate(database, "services.scheduling")
        self.now = NOW
        self.records = Records()
        self.database = database
        self.server = Server(SERVICE, Scheduling(database, self.records, self.clock))
        self._verification = Verification(database, self.records, self.clock)

    def clock(self) -> datetime:
        """The time it is."""
        return self.now

    def call(self, method: str, **fields: Any) -> Any:
        """The response of a method, or its typed error."""
        request = getattr(api, f"{method}Request")(**fields)
        return self.server.call(method, request)

    def open_clinic(self, name: str = "Main Street", zone: str = "America/New_York") -> Clinic:
        """A new clinic."""
        found: Clinic = self.call("CreateClinic", clinic=Clinic(name=name, time_zone=zone)).clinic
        return found

    def employ(
        self, clinic: Clinic, *specialties: str, name: str = "Dr. Example", **hours: Any
    ) -> Practitioner:
        """A new practitioner, who works from 09:00 to 12:00 on every day unless told otherwise."""
        hours.setdefault("weekly_hours", weekly())
        practitioner = Practitioner(
            clinic_id=clinic.id, name=name, specialties=specialties, **hours
        )
        found: Practitioner = self.call(
            "CreatePractitioner", practitioner=practitioner
        ).practitioner
        return found

    def offer(self, code: str = "office_visit", minutes: int = 30, *specialties: str) -> str:
        """The id of a new appointment type."""
        kind = AppointmentType(
            code=code, name=code, duration_minutes=minutes, specialties=specialties
        )
        created = self.call("CreateAppointmentType", appointment_type=kind)
        found: str = created.appointment_type.id
        return found

    def slots(self, **fields: Any) -> list[Slot]:
        """Free slots."""
        return list(self.call("FindSlots", **fields).slots)

    def book(self, slot: Slot, **fields: Any) -> Appointment:
        """An appointment at a slot."""
        booked: Appointment = self.call("BookAppointment", **{**wish(slot), **fields}).appointment
        return booked

    def events(self, count: int, after: int = 0) -> list[AppointmentEvent]:
        """All that the feed holds after a sequence, which is *count* events."""
        with self.database.read() as tx:
            entries = events.read(tx, after)
        assert len(entries) == count
        found = []
        for entry in entries:
            event = AppointmentEvent.FromString(entry.payload)
            event.sequence = entry.sequence
            found.append(event)
        return found

    def verify(self) -> None:
        """One turn of the task, within the work that its contract describes."""
        (service,) = load().workloads["scheduling"]
        (task,) = (each for each in service.tasks if each.name == "verification")
        with working(Inbound(name="verification", calls=task.declared, deadline=float("inf"))) as w:
            self._verification.turn()
        assert not w.degradations


def weekly(start: int = 540, end: int = 720) -> list[WeeklyHours]:
    """The same hours on every day."""
    days: list[Any] = list(range(1, 8))
    return [WeeklyHours(day=day, start_minute=start, end_minute=end) for day in days]


def differing(year: int, month: int, day: int, *spans: tuple[int, int]) -> HoursException:
    """The hours of one day."""
    return HoursException(
        date=Date(year=year, month=month, day=day),
        hours=[DayHours(start_minute=start, end_minute=end) for start, end in spans],
    )


def wish(slot: Slot) -> dict[str, Any]:
    """The fields of a request to book a slot."""
    return {
        "patient_id": PATIENT,
        "practitioner_id": slot.practitioner_id,
        "appointment_type_id": slot.appointment_type_id,
        "start_time": slot.start_time,
    }
