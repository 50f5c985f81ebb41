"""What a practitioner offers: which types, and at which times if nobody has them."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp

from plexus.scheduling.v1.appointment_type_pb2 import AppointmentType
from plexus.scheduling.v1.errors_pb2 import (
    SCHEDULING_ERROR_SLOT_NOT_OFFERED,
    SCHEDULING_ERROR_TYPE_NOT_OFFERED,
)
from plexus.scheduling.v1.practitioner_pb2 import Practitioner
from services.scheduling.domain.faults import fault
from services.scheduling.domain.hours import hours_of
from services.scheduling.domain.slots import Calendar, is_offered
from services.scheduling.domain.zones import MINUTE


def gives(practitioner: Practitioner, kind: AppointmentType) -> bool:
    """Whether a practitioner gives appointments of a type: it asks for none of the specialties, or
    for one they have."""
    return not kind.specialties or not set(kind.specialties).isdisjoint(practitioner.specialties)


def has_hours(practitioner: Practitioner) -> bool:
    """Whether a practitioner works at all: who has no hours is not looked at for slots."""
    return bool(practitioner.weekly_hours or practitioner.exceptions)


def seconds_of(kind: AppointmentType) -> int:
    """How long an appointment of a type takes."""
    return kind.duration_minutes * MINUTE


def calendar_of(practitioner: Practitioner, time_zone: str) -> Calendar:
    """The calendar of a practitioner at a clinic in *time_zone*."""
    return Calendar(ZoneInfo(time_zone), hours_of(practitioner))


def check_offer(
    practitioner: Practitioner,
    time_zone: str,
    kind: AppointmentType,
    start: Timestamp,
    seconds: int,
    now: int,
) -> None:
    """Refuse what the practitioner does not offer: TYPE_NOT_OFFERED, SLOT_NOT_OFFERED."""
    if not gives(practitioner, kind):
        raise fault(
            SCHEDULING_ERROR_TYPE_NOT_OFFERED,
            practitioner_id=practitioner.id,
            appointment_type_id=kind.id,
        )
    calendar = calendar_of(practitioner, time_zone)
    if start.nanos or not is_offered(calendar, start.seconds, seconds, now):
        raise fault(SCHEDULING_ERROR_SLOT_NOT_OFFERED, practitioner_id=practitioner.id)
