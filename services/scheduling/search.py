"""Finds free slots: what the store knows, put before the rules."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from plexus.scheduling.v1.appointment_type_pb2 import AppointmentType
from plexus.scheduling.v1.errors_pb2 import SCHEDULING_ERROR_CLINIC_NOT_FOUND
from plexus.scheduling.v1.scheduling_service_pb2 import FindSlotsRequest
from plexus.scheduling.v1.slot_pb2 import Slot
from services.scheduling.desk import appointment_type, existing_member
from services.scheduling.domain.faults import fault
from services.scheduling.domain.moments import bounds
from services.scheduling.domain.offers import calendar_of, gives, seconds_of
from services.scheduling.domain.slots import Opening, find, search_window, stages
from services.scheduling.domain.zones import Interval
from services.scheduling.store import appointments, directory
from services.scheduling.store.directory import Member

_USUAL_LIMIT = 20


def find_slots(tx: Connection, request: FindSlotsRequest, now: int) -> list[Slot]:
    """The free slots that fit a request, earliest first."""
    window = search_window(*bounds(request.window), now)
    kind = _kind(tx, request.appointment_type_id)
    staff = _staff(tx, request, kind) if kind else {}
    if kind is None or not staff:
        return []
    ahead = Interval(max(window.start, now), window.end)
    limit = request.limit or _USUAL_LIMIT
    openings = _openings(tx, staff, ahead, seconds_of(kind), limit)
    return [_slot(opening, staff[opening.practitioner_id], kind) for opening in openings]


def _openings(
    tx: Connection, staff: Mapping[str, Member], window: Interval, seconds: int, limit: int
) -> list[Opening]:
    calendars = {name: calendar_of(*member) for name, member in staff.items()}
    found: list[Opening] = []
    for stage in stages(window):
        taken = appointments.taken(tx, list(staff), Interval(stage.start, stage.end + seconds))
        found += find(calendars, taken, stage, seconds, limit - len(found))
        if len(found) == limit:
            break
    return found


def _kind(tx: Connection, type_id: str) -> AppointmentType | None:
    if type_id:
        return appointment_type(tx, type_id)
    return directory.shortest_appointment_type(tx)


def _staff(tx: Connection, request: FindSlotsRequest, kind: AppointmentType) -> dict[str, Member]:
    """Who could give the appointment, by practitioner id."""
    found = _asked_for(tx, request.clinic_id, request.practitioner_id)
    if not found and request.clinic_id and not directory.has_clinic(tx, request.clinic_id):
        raise fault(SCHEDULING_ERROR_CLINIC_NOT_FOUND, clinic_id=request.clinic_id)
    return {
        member.practitioner.id: member
        for member in found
        if gives(member.practitioner, kind)
        and (not request.specialty or request.specialty in member.practitioner.specialties)
    }


def _asked_for(tx: Connection, clinic_id: str, practitioner_id: str) -> list[Member]:
    """Who has hours, of a clinic or everywhere; or the one who is named, or nobody when they work
    elsewhere."""
    if not practitioner_id:
        return directory.at_work(tx, clinic_id)
    member = existing_member(tx, practitioner_id)
    return [member] if clinic_id in ("", member.practitioner.clinic_id) else []


def _slot(opening: Opening, member: Member, kind: AppointmentType) -> Slot:
    slot = Slot(
        clinic_id=member.practitioner.clinic_id,
        practitioner_id=opening.practitioner_id,
        appointment_type_id=kind.id,
        time_zone=member.time_zone,
    )
    slot.start_time.seconds = opening.start
    slot.end_time.seconds = opening.end
    return slot
