"""Two clinics in two time zones, open around the clock, so that there is always a time to book."""

from __future__ import annotations

from demo.patience import insist
from plexus.scheduling.v1 import scheduling_service_pb2 as scheduling
from plexus.scheduling.v1.appointment_type_pb2 import AppointmentType
from plexus.scheduling.v1.clinic_pb2 import Clinic
from plexus.scheduling.v1.practitioner_pb2 import DayOfWeek, Practitioner, WeeklyHours
from plexus.scheduling.v1.scheduling_service_pb2_grpc import SchedulingServiceStub

CLINICS = (
    ("Demo Clinic New York", "America/New_York"),
    ("Demo Clinic Berlin", "Europe/Berlin"),
)
TYPES = (
    ("same_day", "Same-day visit", 10),
    ("office_visit", "Office visit", 15),
)
SHIFTS = ((0, 480), (480, 960), (960, 1440))
"""Minutes after local midnight."""

_SPECIALTIES = ("family_medicine", "internal_medicine", "pediatrics")
_DAYS = (
    DayOfWeek.DAY_OF_WEEK_MONDAY,
    DayOfWeek.DAY_OF_WEEK_TUESDAY,
    DayOfWeek.DAY_OF_WEEK_WEDNESDAY,
    DayOfWeek.DAY_OF_WEEK_THURSDAY,
    DayOfWeek.DAY_OF_WEEK_FRIDAY,
    DayOfWeek.DAY_OF_WEEK_SATURDAY,
    DayOfWeek.DAY_OF_WEEK_SUNDAY,
)


def open_clinics(desk: SchedulingServiceStub, doctors_a_shift: int) -> int:
    """Open them, with that many practitioners in each shift; how many practitioners there are."""
    for code, name, minutes in TYPES:
        kind = AppointmentType(code=code, name=name, duration_minutes=minutes)
        make = scheduling.CreateAppointmentTypeRequest(appointment_type=kind)
        insist(desk.CreateAppointmentType, make)
    added = 0
    for name, time_zone in CLINICS:
        place = Clinic(name=name, time_zone=time_zone)
        clinic = insist(desk.CreateClinic, scheduling.CreateClinicRequest(clinic=place)).clinic
        for shift in SHIFTS:
            for _ in range(doctors_a_shift):
                added += 1
                doctor = practitioner(clinic.id, added, shift)
                request = scheduling.CreatePractitionerRequest(practitioner=doctor)
                insist(desk.CreatePractitioner, request)
    return added


def practitioner(clinic_id: str, number: int, shift: tuple[int, int]) -> Practitioner:
    """Somebody who works one shift of every day."""
    start, end = shift
    return Practitioner(
        clinic_id=clinic_id,
        name=f"Practitioner {number}",
        specialties=[_SPECIALTIES[number % len(_SPECIALTIES)]],
        weekly_hours=[WeeklyHours(day=day, start_minute=start, end_minute=end) for day in _DAYS],
    )
