"""Who touched what of whom, as the services' audit journals tell it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ID = sa.String(50)


def upgrade() -> None:
    """Creates the accesses, and how far each journal is known."""
    op.create_table(
        "accesses",
        sa.Column("patient_id", _ID, primary_key=True),
        sa.Column("time", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("journal_id", _ID, primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("service", sa.String(63), nullable=False),
        sa.Column("message", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "access_journals",
        sa.Column("service", sa.String(63), primary_key=True),
        sa.Column("journal_id", _ID, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
    )
