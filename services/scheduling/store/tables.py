"""The tables of scheduling.

A thing is kept as its message; the columns beside it are what queries select and order by. Times are
Unix seconds.
"""

from __future__ import annotations

import sqlalchemy as sa

from mesh.persistence import Outbox
from plexus.scheduling.v1.appointment_pb2 import PatientVerification

metadata = sa.MetaData()

_ID = sa.String(48)
# One order of names on every database: by code point.
_NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
_UNVERIFIED = sa.text(
    f"patient_verification = {PatientVerification.PATIENT_VERIFICATION_UNVERIFIED}"
)
_FIRST = sa.text("length > 0")
_WORKS = sa.text("works")

clinics = sa.Table(
    "clinics",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("name", _NAME, nullable=False),
    sa.Column("time_zone", sa.String(64), nullable=False),
    sa.Index("clinics_by_name", "name", "id"),
)

practitioners = sa.Table(
    "practitioners",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("clinic_id", _ID, sa.ForeignKey("clinics.id"), nullable=False),
    sa.Column("name", _NAME, nullable=False),
    # Whether they have hours: a search for free time looks at nobody else.
    sa.Column("works", sa.Boolean, nullable=False),
    sa.Column("message", sa.LargeBinary, nullable=False),
    sa.Index("practitioners_by_clinic", "clinic_id", "name", "id"),
    sa.Index("practitioners_at_work", "clinic_id", sqlite_where=_WORKS, postgresql_where=_WORKS),
)

appointment_types = sa.Table(
    "appointment_types",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("code", sa.String(41), nullable=False, unique=True),
    sa.Column("duration_minutes", sa.SmallInteger, nullable=False),
    sa.Column("message", sa.LargeBinary, nullable=False),
    sa.Index("appointment_types_by_duration", "duration_minutes", "code"),
)

appointments = sa.Table(
    "appointments",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("patient_id", _ID, nullable=False),
    sa.Column("practitioner_id", _ID, sa.ForeignKey("practitioners.id"), nullable=False),
    sa.Column("clinic_id", _ID, sa.ForeignKey("clinics.id"), nullable=False),
    sa.Column("start_time", sa.BigInteger, nullable=False),
    sa.Column("state", sa.SmallInteger, nullable=False),
    sa.Column("patient_verification", sa.SmallInteger, nullable=False),
    sa.Column("message", sa.LargeBinary, nullable=False),
    sa.Index("appointments_by_time", "start_time", "id"),
    sa.Index("appointments_by_patient", "patient_id", "start_time", "id"),
    sa.Index("appointments_by_practitioner", "practitioner_id", "start_time", "id"),
    sa.Index("appointments_by_clinic", "clinic_id", "start_time", "id"),
    sa.Index(
        "appointments_unverified",
        "patient_id",
        sqlite_where=_UNVERIFIED,
        postgresql_where=_UNVERIFIED,
    ),
)

# What keeps a time from being booked twice: the primary key. A cell is five minutes, counted from
# 1970.
occupied = sa.Table(
    "occupied",
    metadata,
    sa.Column("practitioner_id", _ID, primary_key=True),
    sa.Column("cell", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("appointment_id", _ID, sa.ForeignKey("appointments.id"), nullable=False),
    # In the first cell of an appointment: how many it takes. In the others: 0. A search for free
    # time reads the first cells only.
    sa.Column("length", sa.SmallInteger, nullable=False),
    sa.Index(
        "occupied_first_cells",
        "practitioner_id",
        "cell",
        "length",
        sqlite_where=_FIRST,
        postgresql_where=_FIRST,
    ),
    sqlite_with_rowid=False,
)

events = Outbox("appointment_events", metadata)
