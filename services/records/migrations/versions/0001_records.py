"""Resources with their originals, patients to search for, and the feed of record events."""

import sqlalchemy as sa
from alembic import op

from mesh.persistence import schema

revision = "0001"
down_revision = None

_ID = sa.String(32)
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Creates everything."""
    schema.create_requests(op)
    schema.create_feeds(op)
    schema.create_outbox(op, "record_events")
    _create_resources()
    _create_beside_resources()
    _create_patients()


def _create_resources() -> None:
    op.create_table(
        "resources",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("source_id", sa.String(64), nullable=False),
        sa.Column("digest", sa.LargeBinary(16), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("last_updated", sa.BigInteger),
        sa.Column("patient_key", _ID),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("place", sa.BigInteger, nullable=False),
        sa.Column("part", sa.LargeBinary, nullable=False),
        sa.Column("names_by", _ID),
        sa.Column("refers_to", sa.Text, nullable=False),
    )
    op.create_index("resources_by_patient", "resources", ["patient_key", "kind", "place"])
    op.create_table(
        "superseded",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("digest", sa.LargeBinary(16), primary_key=True),
    )


def _create_beside_resources() -> None:
    op.create_table(
        "originals",
        _identity("resources.id"),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "aliases",
        sa.Column("key", _ID, primary_key=True),
        _identity("resources.id"),
    )
    op.create_index("aliases_by_id", "aliases", ["id"])
    op.create_table(
        "labels",
        _identity("resources.id"),
        sa.Column("label", sa.LargeBinary, nullable=False),
    )


def _create_patients() -> None:
    op.create_table(
        "patients",
        _identity("resources.id"),
        sa.Column("family", _TEXT, nullable=False),
        sa.Column("birth_date", _TEXT, nullable=False),
        sa.Column("message", sa.LargeBinary, nullable=False),
    )
    op.create_index("patients_by_family", "patients", ["family", "id"])
    op.create_index("patients_by_birth_date", "patients", ["birth_date"])
    op.create_table(
        "patient_names",
        sa.Column("name", _TEXT, primary_key=True),
        _identity("patients.id", "patient_id"),
    )
    op.create_index("patient_names_by_patient", "patient_names", ["patient_id"])
    op.create_table(
        "patient_identifiers",
        sa.Column("value", _TEXT, primary_key=True),
        sa.Column("system", sa.Text, primary_key=True),
        _identity("patients.id", "patient_id"),
    )
    op.create_index("patient_identifiers_by_patient", "patient_identifiers", ["patient_id"])


def _identity(of: str, name: str = "id") -> sa.Column[str]:
    return sa.Column(name, _ID, sa.ForeignKey(of, ondelete="CASCADE"), primary_key=True)
