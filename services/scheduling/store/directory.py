"""Clinics, practitioners and appointment types."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from mesh.persistence.pages import Key, after
from plexus.scheduling.v1.appointment_type_pb2 import AppointmentType
from plexus.scheduling.v1.clinic_pb2 import Clinic
from plexus.scheduling.v1.practitioner_pb2 import Practitioner
from services.scheduling.store.tables import appointment_types, clinics, practitioners

_ADD_TYPE = sa.text(
    "INSERT INTO appointment_types (id, code, message) VALUES (:id, :code, :message)"
    " ON CONFLICT (code) DO NOTHING"
)
_STAFF = sa.select(practitioners.c.message, clinics.c.time_zone).join_from(practitioners, clinics)


class Member(NamedTuple):
    """A practitioner and the zone of their clinic."""

    practitioner: Practitioner
    time_zone: str


def add_clinic(tx: Connection, clinic: Clinic) -> None:
    """Keep a new clinic."""
    tx.execute(
        sa.insert(clinics), {"id": clinic.id, "name": clinic.name, "time_zone": clinic.time_zone}
    )


def has_clinic(tx: Connection, clinic_id: str) -> bool:
    """Whether there is such a clinic."""
    found = tx.execute(sa.select(clinics.c.id).where(clinics.c.id == clinic_id))
    return found.first() is not None


def list_clinics(tx: Connection, last: Key | None, limit: int) -> list[Clinic]:
    """At most *limit* clinics by name, those after the clinic *last*."""
    chosen = sa.select(clinics).order_by(clinics.c.name, clinics.c.id).limit(limit)
    if last is not None:
        chosen = chosen.where(after((clinics.c.name, clinics.c.id), clinics.c.id, last))
    return [Clinic(id=row.id, name=row.name, time_zone=row.time_zone) for row in tx.execute(chosen)]


def add_practitioner(tx: Connection, practitioner: Practitioner) -> None:
    """Keep a new practitioner."""
    tx.execute(
        sa.insert(practitioners),
        {
            "id": practitioner.id,
            "clinic_id": practitioner.clinic_id,
            "name": practitioner.name,
            "message": practitioner.SerializeToString(),
        },
    )


def lock_practitioner(tx: Connection, practitioner_id: str) -> Practitioner | None:
    """The practitioner, whom nobody else changes until the end of the transaction."""
    chosen = sa.select(practitioners.c.message).where(practitioners.c.id == practitioner_id)
    message = tx.execute(chosen.with_for_update()).scalar()
    return None if message is None else Practitioner.FromString(message)


def replace_practitioner(tx: Connection, practitioner: Practitioner) -> None:
    """Keep what a practitioner has become; the clinic and the name stay."""
    tx.execute(
        sa.update(practitioners).where(practitioners.c.id == practitioner.id),
        {"message": practitioner.SerializeToString()},
    )


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


def staff(tx: Connection, clinic_id: str = "", practitioner_id: str = "") -> list[Member]:
    """Everybody of a clinic, or one, or all."""
    chosen = _STAFF
    if clinic_id:
        chosen = chosen.where(practitioners.c.clinic_id == clinic_id)
    if practitioner_id:
        chosen = chosen.where(practitioners.c.id == practitioner_id)
    return [Member(Practitioner.FromString(message), zone) for message, zone in tx.execute(chosen)]


def add_appointment_type(tx: Connection, kind: AppointmentType) -> bool:
    """Keep a new type; whether its code was free."""
    values = {"id": kind.id, "code": kind.code, "message": kind.SerializeToString()}
    return tx.execute(_ADD_TYPE, values).rowcount == 1


def list_appointment_types(tx: Connection, type_id: str = "") -> list[AppointmentType]:
    """All types by code, or one."""
    chosen = sa.select(appointment_types.c.message).order_by(appointment_types.c.code)
    if type_id:
        chosen = chosen.where(appointment_types.c.id == type_id)
    return [AppointmentType.FromString(message) for message in tx.execute(chosen).scalars()]
