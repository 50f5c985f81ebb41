"""Clinics, practitioners, appointment types, appointments and the cells they take up."""

import sqlalchemy as sa
from alembic import op

from mesh.persistence import schema

revision = "0001"
down_revision = None

_NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
_UNVERIFIED = sa.text("patient_verification = 2")
_FIRST = sa.text("length > 0")


def upgrade() -> None:
    """Creates everything."""
    schema.create_requests(op)
    schema.create_feeds(op)
    schema.create_outbox(op, "appointment_events")
    _create_directory()
    _create_appointments()


def _create_directory() -> None:
    op.create_table(
        "clinics",
        sa.Column("id", sa.String(48), primary_key=True),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
    )
    op.create_index("clinics_by_name", "clinics", ["name", "id"])
    op.create_table(
        "practitioners",
        sa.Column("id", sa.String(48), primary_key=True),
        sa.Column("clinic_id", sa.String(48), sa.ForeignKey("clinics.id"), nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("message", sa.LargeBinary, nullable=False),
    )
    op.create_index("practitioners_by_clinic", "practitioners", ["clinic_id", "name", "id"])
    op.create_table(
        "appointment_types",
        sa.Column("id", sa.String(48), primary_key=True),
        sa.Column("code", sa.String(41), nullable=False, unique=True),
        sa.Column("message", sa.LargeBinary, nullable=False),
    )


def _create_appointments() -> None:
    op.create_table(
        "appointments",
        sa.Column("id", sa.String(48), primary_key=True),
        sa.Column("patient_id", sa.String(48), nullable=False),
        sa.Column(
            "practitioner_id", sa.String(48), sa.ForeignKey("practitioners.id"), nullable=False
        ),
        sa.Column("clinic_id", sa.String(48), sa.ForeignKey("clinics.id"), nullable=False),
        sa.Column("start_time", sa.BigInteger, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("patient_verification", sa.SmallInteger, nullable=False),
        sa.Column("message", sa.LargeBinary, nullable=False),
    )
    op.create_index("appointments_by_time", "appointments", ["start_time", "id"])
    for whose in ("patient", "practitioner", "clinic"):
        op.create_index(
            f"appointments_by_{whose}", "appointments", [f"{whose}_id", "start_time", "id"]
        )
    op.create_index(
        "appointments_unverified",
        "appointments",
        ["patient_id"],
        sqlite_where=_UNVERIFIED,
        postgresql_where=_UNVERIFIED,
    )
    op.create_table(
        "occupied",
        sa.Column("practitioner_id", sa.String(48), primary_key=True),
        sa.Column("cell", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column(
            "appointment_id", sa.String(48), sa.ForeignKey("appointments.id"), nullable=False
        ),
        sa.Column("length", sa.SmallInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "occupied_first_cells",
        "occupied",
        ["practitioner_id", "cell", "length"],
        sqlite_where=_FIRST,
        postgresql_where=_FIRST,
    )
