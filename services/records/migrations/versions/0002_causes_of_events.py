"""The trace that each of the record events comes from."""

from alembic import op

from mesh.persistence import schema

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds it; what was written before has none."""
    schema.add_traceparent(op, "record_events")
