"""Clinics, practitioners and appointment types."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from mesh.persistence.pages import Key, after
from plexus.scheduling.v1.appointment_type_pb2 import AppointmentType
from plexus.scheduling.v1.clinic_pb2 import Clinic
from plexus.scheduling.v1.practitioner_pb2 import Practitioner
from services.scheduling.domain.offers import has_hours
from services.scheduling.store.tables import appointment_types, clinics, practitioners

# Statements are made once: to put one together costs more than to execute it.
_ADD_CLINIC = sa.insert(clinics)
_CLINIC = sa.select(clinics.c.id).where(clinics.c.id == sa.bindparam("clinic_id"))
_ADD_PRACTITIONER = sa.insert(practitioners)
_LOCK_PRACTITIONER = (
    sa.select(practitioners.c.message)
    .where(practitioners.c.id == sa.bindparam("practitioner_id"))
    .with_for_update()
)
_REPLACE_PRACTITIONER = (
    sa.update(practitioners)
    .where(practitioners.c.id == sa.bindparam("practitioner_id"))
    .values(works=sa.bindparam("works"), message=sa.bindparam("message"))
)
_MEMBERS = sa.select(practitioners.c.message, clinics.c.time_zone).join_from(practitioners, clinics)
_MEMBER = _MEMBERS.where(practitioners.c.id == sa.bindparam("practitioner_id"))
_AT_WORK = _MEMBERS.where(practitioners.c.works)
_AT_WORK_IN = _AT_WORK.where(practitioners.c.clinic_id == sa.bindparam("clinic_id"))
_ADD_TYPE = sa.text(
    "INSERT INTO appointment_types (id, code, duration_minutes, message)"
    " VALUES (:id, :code, :duration_minutes, :message) ON CONFLICT (code) DO NOTHING"
)
_TYPES = sa.select(appointment_types.c.message).order_by(appointment_types.c.code)
_TYPE = sa.select(appointment_types.c.message).where(
    appointment_types.c.id == sa.bindparam("type_id")
)
_SHORTEST = (
    sa.select(appointment_types.c.message)
    .order_by(appointment_types.c.duration_minutes, appointment_types.c.code)
    .limit(1)
)


class Member(NamedTuple):
    """A practitioner and the zone of their clinic."""

    practitioner: Practitioner
    time_zone: str


def add_clinic(tx: Connection, clinic: Clinic) -> None:
    """Keep a new clinic."""
    row = {"id": clinic.id, "name": clinic.name, "time_zone": clinic.time_zone}
    tx.execute(_ADD_CLINIC, row)


def has_clinic(tx: Connection, clinic_id: str) -> bool:
    """Whether there is such a clinic."""
    return tx.execute(_CLINIC, {"clinic_id": clinic_id}).first() is not None


def list_clinics(tx: Connection, last: Key | None, limit: int) -> list[Clinic]:
    """At most *limit* clinics by name, those after the clinic *last*."""
    chosen = sa.select(clinics).order_by(clinics.c.name, clinics.c.id).limit(limit)
    if last is not None:
        chosen = chosen.where(after((clinics.c.name, clinics.c.id), clinics.c.id, last))
    return [Clinic(id=row.id, name=row.name, time_zone=row.time_zone) for row in tx.execute(chosen)]


def add_practitioner(tx: Connection, practitioner: Practitioner) -> None:
    """Keep a new practitioner."""
    stays = {
        "id": practitioner.id,
        "clinic_id": practitioner.clinic_id,
        "name": practitioner.name,
    }
    tx.execute(_ADD_PRACTITIONER, {**stays, **_changeable(practitioner)})


def lock_practitioner(tx: Connection, practitioner_id: str) -> Practitioner | None:
    """The practitioner, whom nobody else changes until the end of the transaction."""
    message = tx.execute(_LOCK_PRACTITIONER, {"practitioner_id": practitioner_id}).scalar()
    return None if message is None else Practitioner.FromString(message)


def replace_practitioner(tx: Connection, practitioner: Practitioner) -> None:
    """Keep what a practitioner has become; the clinic and the name stay."""
    changed = {"practitioner_id": practitioner.id, **_changeable(practitioner)}
    tx.execute(_REPLACE_PRACTITIONER, changed)


def list_practitioners(
    tx: Connection, clinic_id: str, last: Key | None, limit: int
) -> list[Practitioner]:
    """At most *limit* practitioners of a clinic by name, those after the practitioner *last*."""
    order = (practitioners.c.name, practitioners.c.id)
    chosen = sa.select(practitioners.c.message).where(practitioners.c.clinic_id == clinic_id)
    if last is not None:
        chosen = chosen.where(after(order, practitioners.c.id, last))
    rows = tx.execute(chosen.order_by(*order).limit(limit)).scalars()
    return [Practitioner.FromString(message) for message in rows]


def at_work(tx: Connection, clinic_id: str = "") -> list[Member]:
    """Everybody who has hours, of a clinic or of all."""
    chosen = (
        tx.execute(_AT_WORK_IN, {"clinic_id": clinic_id}) if clinic_id else tx.execute(_AT_WORK)
    )
    return [_member(message, zone) for message, zone in chosen]


def member(tx: Connection, practitioner_id: str) -> Member | None:
    """The practitioner, whether they have hours or not."""
    row = tx.execute(_MEMBER, {"practitioner_id": practitioner_id}).one_or_none()
    return None if row is None else _member(*row)


def add_appointment_type(tx: Connection, kind: AppointmentType) -> bool:
    """Keep a new type; whether its code was free."""
    values = {
        "id": kind.id,
        "code": kind.code,
        "duration_minutes": kind.duration_minutes,
        "message": kind.SerializeToString(),
    }
    return tx.execute(_ADD_TYPE, values).rowcount == 1


def appointment_types_by_code(tx: Connection) -> list[AppointmentType]:
    """All types."""
    return [AppointmentType.FromString(message) for message in tx.execute(_TYPES).scalars()]


def appointment_type(tx: Connection, type_id: str) -> AppointmentType | None:
    """The type."""
    return _type(tx.execute(_TYPE, {"type_id": type_id}).scalar())


def shortest_appointment_type(tx: Connection) -> AppointmentType | None:
    """The type that takes the least time, the first by code of several."""
    return _type(tx.execute(_SHORTEST).scalar())


def _member(message: bytes, time_zone: str) -> Member:
    return Member(Practitioner.FromString(message), time_zone)


def _type(message: bytes | None) -> AppointmentType | None:
    return None if message is None else AppointmentType.FromString(message)


def _changeable(practitioner: Practitioner) -> dict[str, Any]:
    return {"works": has_hours(practitioner), "message": practitioner.SerializeToString()}
