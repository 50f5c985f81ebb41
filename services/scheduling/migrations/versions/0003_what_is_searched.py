"""What a search for free time selects by: who has hours, and how long a type takes."""

import sqlalchemy as sa
from alembic import op

from plexus.scheduling.v1.appointment_type_pb2 import AppointmentType
from plexus.scheduling.v1.practitioner_pb2 import Practitioner

revision = "0003"
down_revision = "0002"

_WORKS = sa.text("works")


def upgrade() -> None:
    """Adds both, read from the messages that are there."""
    op.add_column(
        "practitioners",
        sa.Column("works", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.add_column(
        "appointment_types",
        sa.Column("duration_minutes", sa.SmallInteger, nullable=False, server_default="0"),
    )
    _fill()
    with op.batch_alter_table("practitioners") as practitioners:
        practitioners.alter_column("works", server_default=None)
    with op.batch_alter_table("appointment_types") as types:
        types.alter_column("duration_minutes", server_default=None)
    op.create_index(
        "practitioners_at_work",
        "practitioners",
        ["clinic_id"],
        sqlite_where=_WORKS,
        postgresql_where=_WORKS,
    )
    op.create_index(
        "appointment_types_by_duration", "appointment_types", ["duration_minutes", "code"]
    )


def _fill() -> None:
    database = op.get_bind()
    for name, message in database.execute(sa.text("SELECT id, message FROM practitioners")).all():
        told = Practitioner.FromString(bytes(message))
        if told.weekly_hours or told.exceptions:
            working = sa.text("UPDATE practitioners SET works = TRUE WHERE id = :id")
            database.execute(working, {"id": name})
    for name, message in database.execute(
        sa.text("SELECT id, message FROM appointment_types")
    ).all():
        minutes = AppointmentType.FromString(bytes(message)).duration_minutes
        taking = sa.text("UPDATE appointment_types SET duration_minutes = :minutes WHERE id = :id")
        database.execute(taking, {"id": name, "minutes": minutes})
