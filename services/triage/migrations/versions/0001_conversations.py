"""Conversations and their turns."""

import sqlalchemy as sa
from alembic import op

from mesh.persistence import schema

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates everything."""
    schema.create_requests(op)
    op.create_table(
        "conversations",
        sa.Column("id", sa.String(48), primary_key=True),
        sa.Column("patient_id", sa.String(48), nullable=False),
        sa.Column("speaker", sa.SmallInteger, nullable=False),
        sa.Column("talk", sa.JSON, nullable=False),
        sa.Column("chart", sa.JSON),
        sa.Column("chart_time", sa.BigInteger),
        sa.Column("turns", sa.Integer, nullable=False),
        sa.Column("create_time", sa.BigInteger, nullable=False),
        sa.Column("update_time", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "turns",
        sa.Column(
            "conversation_id", sa.String(48), sa.ForeignKey("conversations.id"), primary_key=True
        ),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("author", sa.SmallInteger, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
    )
