"""What an appointment may become."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from types import MappingProxyType

from plexus.scheduling.v1.appointment_event_pb2 import AppointmentChange
from plexus.scheduling.v1.appointment_pb2 import Appointment, AppointmentState
from plexus.scheduling.v1.errors_pb2 import (
    SCHEDULING_ERROR_ETAG_MISMATCH,
    SCHEDULING_ERROR_STATE_CONFLICT,
)
from services.scheduling.domain.faults import fault

_BOOKED = AppointmentState.APPOINTMENT_STATE_BOOKED
_CHECKED_IN = AppointmentState.APPOINTMENT_STATE_CHECKED_IN
_COMPLETED = AppointmentState.APPOINTMENT_STATE_COMPLETED
_CANCELLED = AppointmentState.APPOINTMENT_STATE_CANCELLED
_NO_SHOW = AppointmentState.APPOINTMENT_STATE_NO_SHOW


class Verb(Enum):
    """What can be done to an appointment; its value is what the event feed tells."""

    RESCHEDULE = AppointmentChange.APPOINTMENT_CHANGE_RESCHEDULED
    CANCEL = AppointmentChange.APPOINTMENT_CHANGE_CANCELLED
    CHECK_IN = AppointmentChange.APPOINTMENT_CHANGE_CHECKED_IN
    COMPLETE = AppointmentChange.APPOINTMENT_CHANGE_COMPLETED
    MARK_NO_SHOW = AppointmentChange.APPOINTMENT_CHANGE_NO_SHOW


# A patient who came and left before being seen is cancelled; they did show.
MOVES: Mapping[tuple[int, Verb], AppointmentState.ValueType] = MappingProxyType(
    {
        (_BOOKED, Verb.RESCHEDULE): _BOOKED,
        (_BOOKED, Verb.CANCEL): _CANCELLED,
        (_BOOKED, Verb.CHECK_IN): _CHECKED_IN,
        (_BOOKED, Verb.MARK_NO_SHOW): _NO_SHOW,
        (_CHECKED_IN, Verb.CANCEL): _CANCELLED,
        (_CHECKED_IN, Verb.COMPLETE): _COMPLETED,
    }
)


def move(appointment: Appointment, verb: Verb, etag: str) -> None:
    """Do *verb* to the appointment's state.

    ETAG_MISMATCH when *etag* is given and is not the appointment's; STATE_CONFLICT when the verb does
    not fit the state.
    """
    if etag and etag != appointment.etag:
        raise fault(SCHEDULING_ERROR_ETAG_MISMATCH, appointment_id=appointment.id)
    target = MOVES.get((appointment.state, verb))
    if target is None:
        state = AppointmentState.Name(appointment.state)
        raise fault(SCHEDULING_ERROR_STATE_CONFLICT, state=state.removeprefix("APPOINTMENT_STATE_"))
    appointment.state = target


def stamp(appointment: Appointment, now: datetime) -> None:
    """Note that the appointment changes now."""
    appointment.update_time.FromDatetime(now)
    appointment.etag = secrets.token_hex(8)
