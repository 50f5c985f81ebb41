"""Appointments, the time they take up, and the feed that tells of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from plexus.scheduling.v1.appointment_event_pb2 import AppointmentChange, AppointmentEvent
from plexus.scheduling.v1.appointment_pb2 import Appointment, PatientVerification
from services.scheduling.domain.slots import CELL, LONGEST_APPOINTMENT, cells
from services.scheduling.domain.zones import Interval
from services.scheduling.store.tables import appointments, events, occupied

# The primary key is what decides, and a conflict of two transactions waits for the first to end.
_OCCUPY = sa.text(
    "INSERT INTO occupied (practitioner_id, cell, appointment_id, length)"
    " VALUES (:practitioner_id, :cell, :appointment_id, :length) ON CONFLICT DO NOTHING"
)
# In the words of the index's condition, so that databases see that it holds.
_IS_FIRST = sa.text("length > 0")
_UNVERIFIED = (
    appointments.c.patient_verification == PatientVerification.PATIENT_VERIFICATION_UNVERIFIED
)
# Statements are made once: to put one together costs more than to execute it.
_ADD = sa.insert(appointments)
_GET = sa.select(appointments.c.message).where(appointments.c.id == sa.bindparam("appointment_id"))
_LOCK = _GET.with_for_update()
_REPLACE = (
    sa.update(appointments)
    .where(appointments.c.id == sa.bindparam("appointment_id"))
    .values({c.name: sa.bindparam(c.name) for c in appointments.c if not c.primary_key})
)
_RELEASE = (
    sa.delete(occupied)
    .where(occupied.c.practitioner_id == sa.bindparam("practitioner_id"))
    .where(occupied.c.cell >= sa.bindparam("start"), occupied.c.cell < sa.bindparam("stop"))
    .where(occupied.c.appointment_id == sa.bindparam("appointment_id"))
)
_ALONE = sa.text("SELECT pg_advisory_xact_lock(hashtext('occupied'), hashtext(:practitioner_id))")
_TAKEN = (
    sa.select(occupied.c.practitioner_id, occupied.c.cell, occupied.c.length)
    .where(occupied.c.practitioner_id.in_(sa.bindparam("whose", expanding=True)), _IS_FIRST)
    .where(occupied.c.cell >= sa.bindparam("start"), occupied.c.cell < sa.bindparam("stop"))
    .order_by(occupied.c.practitioner_id, occupied.c.cell)
)


class Criteria(NamedTuple):
    """Which appointments; what is empty does not matter. *start* and *end* are of the begin."""

    patient_id: str = ""
    practitioner_id: str = ""
    clinic_id: str = ""
    start: int | None = None
    end: int | None = None
    states: Collection[int] = ()


class Place(NamedTuple):
    """Where an appointment stands in a list."""

    start_time: int
    id: str


def add(tx: Connection, appointment: Appointment) -> None:
    """Keep a new appointment."""
    tx.execute(_ADD, _row(appointment))


def lock(tx: Connection, appointment_id: str) -> Appointment | None:
    """The appointment, which nobody else changes until the end of the transaction."""
    return _appointment(tx.execute(_LOCK, {"appointment_id": appointment_id}).scalar())


def get(tx: Connection, appointment_id: str) -> Appointment | None:
    """The appointment."""
    return _appointment(tx.execute(_GET, {"appointment_id": appointment_id}).scalar())


def replace(tx: Connection, appointment: Appointment) -> None:
    """Keep what an appointment has become."""
    tx.execute(_REPLACE, {"appointment_id": appointment.id, **_row(appointment)})


def alone_with(tx: Connection, *practitioner_ids: str) -> None:
    """Be the only one, until the end of the transaction, who takes up time of these practitioners.

    Two who each want what the other gives back would wait for each other, and PostgreSQL finds that out
    after a second (`deadlock_timeout`). In SQLite whoever writes is alone already.
    """
    if tx.dialect.name == "postgresql":
        for practitioner_id in sorted(set(practitioner_ids)):
            tx.execute(_ALONE, {"practitioner_id": practitioner_id})


def occupy(tx: Connection, appointment: Appointment) -> bool:
    """Take up the appointment's time; False when some of it is taken.

    The transaction then has to be given up: what was free of it is taken up.
    """
    wanted = cells(appointment.start_time.seconds, appointment.end_time.seconds)
    rows = [
        {
            "practitioner_id": appointment.practitioner_id,
            "cell": cell,
            "appointment_id": appointment.id,
            "length": len(wanted) if cell == wanted.start else 0,
        }
        for cell in wanted
    ]
    return tx.execute(_OCCUPY, rows).rowcount == len(wanted)


def release(tx: Connection, appointment: Appointment) -> None:
    """Give back the time that an appointment takes up."""
    span = cells(appointment.start_time.seconds, appointment.end_time.seconds)
    whose = {"practitioner_id": appointment.practitioner_id, "appointment_id": appointment.id}
    tx.execute(_RELEASE, {**whose, "start": span.start, "stop": span.stop})


def list_appointments(
    tx: Connection, criteria: Criteria, last: Place | None, limit: int
) -> list[Appointment]:
    """At most *limit* appointments by start time, those after *last*."""
    order = (appointments.c.start_time, appointments.c.id)
    chosen = sa.select(appointments.c.message).where(*_conditions(criteria))
    if last is not None:
        chosen = chosen.where(sa.tuple_(*order) > sa.tuple_(*last))
    rows = tx.execute(chosen.order_by(*order).limit(limit)).scalars()
    return [Appointment.FromString(message) for message in rows]


def taken(
    tx: Connection, practitioner_ids: Sequence[str], window: Interval
) -> dict[str, list[Interval]]:
    """What of a window is taken, by practitioner, earliest first."""
    span = cells(window.start - LONGEST_APPOINTMENT, window.end)
    wanted = {"whose": practitioner_ids, "start": span.start, "stop": span.stop}
    found: dict[str, list[Interval]] = {name: [] for name in practitioner_ids}
    for name, cell, length in tx.execute(_TAKEN, wanted).all():
        found[name].append(Interval(cell * CELL, (cell + length) * CELL))
    return found


def unverified_patients(tx: Connection, limit: int) -> list[str]:
    """At most *limit* patients whom records has not confirmed, by id."""
    patients = sa.select(appointments.c.patient_id).where(_UNVERIFIED).distinct()
    return list(tx.execute(patients.order_by(appointments.c.patient_id).limit(limit)).scalars())


def lock_unverified(tx: Connection, patient_id: str) -> list[Appointment]:
    """The unconfirmed appointments of a patient, in one order for all who lock them."""
    chosen = sa.select(appointments.c.message).where(
        _UNVERIFIED, appointments.c.patient_id == patient_id
    )
    rows = tx.execute(chosen.order_by(appointments.c.id).with_for_update()).scalars()
    return [Appointment.FromString(message) for message in rows]


def tell(
    tx: Connection,
    change: AppointmentChange.ValueType,
    changed: Sequence[Appointment],
    now: datetime,
) -> None:
    """Tell the feed what happened; the last step of a transaction."""
    payloads = []
    for appointment in changed:
        event = AppointmentEvent(change=change, appointment=appointment)
        event.time.FromDatetime(now)
        payloads.append(event.SerializeToString())
    events.append_all(tx, payloads)


def _row(appointment: Appointment) -> dict[str, Any]:
    return {
        "id": appointment.id,
        "patient_id": appointment.patient_id,
        "practitioner_id": appointment.practitioner_id,
        "clinic_id": appointment.clinic_id,
        "start_time": appointment.start_time.seconds,
        "state": appointment.state,
        "patient_verification": appointment.patient_verification,
        "message": appointment.SerializeToString(),
    }


def _appointment(message: bytes | None) -> Appointment | None:
    return None if message is None else Appointment.FromString(message)


def _conditions(criteria: Criteria) -> list[sa.ColumnElement[bool]]:
    columns = appointments.c
    found = [
        columns[name] == value
        for name in ("patient_id", "practitioner_id", "clinic_id")
        if (value := getattr(criteria, name))
    ]
    if criteria.start is not None:
        found.append(columns.start_time >= criteria.start)
    if criteria.end is not None:
        found.append(columns.start_time < criteria.end)
    if criteria.states:
        found.append(columns.state.in_(criteria.states))
    return found
