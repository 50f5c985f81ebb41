"""Claims, payments and a ledger that can only grow."""

import sqlalchemy as sa
from alembic import op

from mesh.persistence import schema

revision = "0001"
down_revision = None

_COUNTER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_APPEND_ONLY = ("ledger_entries", "payments")


def upgrade() -> None:
    """Creates everything."""
    schema.create_requests(op)
    schema.create_cursors(op)
    _create_claims()
    _create_payments()
    _create_ledger()
    protect = _protect_sqlite if op.get_bind().dialect.name == "sqlite" else _protect_postgresql
    for table in _APPEND_ONLY:
        protect(table)


def _create_claims() -> None:
    op.create_table(
        "claims",
        sa.Column("id", sa.String(48), primary_key=True),
        sa.Column("appointment_id", sa.String(48), nullable=False, unique=True),
        sa.Column("patient_id", sa.String(48), nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("lines", sa.JSON, nullable=False),
        sa.Column("diagnoses", sa.JSON, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("insurer_share", sa.BigInteger, nullable=False),
        sa.Column("patient_share", sa.BigInteger, nullable=False),
        sa.Column("insurer_paid", sa.BigInteger, nullable=False),
        sa.Column("patient_paid", sa.BigInteger, nullable=False),
        sa.Column("coverage_id", sa.String(48)),
        sa.Column("coverage_payer", sa.Text),
        sa.Column("coverage_member_id", sa.Text),
        sa.Column("service_date", sa.Date, nullable=False),
        sa.Column("create_time", sa.BigInteger, nullable=False),
        sa.Column("update_time", sa.BigInteger, nullable=False),
        sa.Column("submit_time", sa.BigInteger),
        sa.Column("asked", sa.Integer, nullable=False),
        sa.Column("ask_time", sa.BigInteger),
        sa.CheckConstraint("insurer_share + patient_share = total", name="claims_shares_add_up"),
        sa.CheckConstraint(
            "insurer_paid BETWEEN 0 AND insurer_share AND patient_paid BETWEEN 0 AND patient_share",
            name="claims_are_not_overpaid",
        ),
    )
    op.create_index("claims_by_age", "claims", ["create_time", "id"])
    op.create_index("claims_by_patient", "claims", ["patient_id", "create_time", "id"])
    op.create_index("claims_to_ask_for", "claims", ["ask_time"])


def _create_payments() -> None:
    op.create_table(
        "payments",
        sa.Column("id", sa.String(48), primary_key=True),
        sa.Column("claim_id", sa.String(48), sa.ForeignKey("claims.id"), nullable=False),
        sa.Column("payer", sa.SmallInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("create_time", sa.BigInteger, nullable=False),
    )
    op.create_index("payments_by_claim", "payments", ["claim_id"])


def _create_ledger() -> None:
    op.create_table(
        "ledger_entries",
        sa.Column("position", _COUNTER, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(48), nullable=False, unique=True),
        sa.Column("transaction_id", sa.String(48), nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("account", sa.SmallInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("claim_id", sa.String(48), sa.ForeignKey("claims.id"), nullable=False),
        sa.Column("patient_id", sa.String(48), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("transaction_id", "account", name="ledger_entries_once"),
    )
    op.create_index("ledger_entries_by_claim", "ledger_entries", ["claim_id", "position"])
    op.create_index("ledger_entries_by_patient", "ledger_entries", ["patient_id", "account"])
    op.create_index("ledger_entries_by_account", "ledger_entries", ["account", "position"])


def _protect_sqlite(table: str) -> None:
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table}"
            f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
    # INSERT OR REPLACE takes a row away without telling the trigger for DELETE.
    same = f"SELECT 1 FROM {table} WHERE id = NEW.id OR rowid = NEW.rowid"  # noqa: S608 (our names)
    op.execute(
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN EXISTS ({same})"
        f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )


def _protect_postgresql(table: str) -> None:
    op.execute(
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME"
        " USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_NAME; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
