"""The tables. Amounts are minor units, times are Unix microseconds."""

import sqlalchemy as sa

metadata = sa.MetaData()

# SQLite gives numbers only to a key of exactly this type.
_COUNTER = sa.BigInteger().with_variant(sa.Integer, "sqlite")

claims = sa.Table(
    "claims",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    sa.Column("appointment_id", sa.String(48), nullable=False, unique=True),
    sa.Column("patient_id", sa.String(48), nullable=False),
    sa.Column("state", sa.SmallInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    # Lines and diagnoses never change and are only read with their claim.
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
    # While records has not answered: how often it was asked, and when it is asked next.
    sa.Column("asked", sa.Integer, nullable=False),
    sa.Column("ask_time", sa.BigInteger),
    sa.CheckConstraint("insurer_share + patient_share = total", name="claims_shares_add_up"),
    sa.CheckConstraint(
        "insurer_paid BETWEEN 0 AND insurer_share AND patient_paid BETWEEN 0 AND patient_share",
        name="claims_are_not_overpaid",
    ),
    sa.Index("claims_by_age", "create_time", "id"),
    sa.Index("claims_by_patient", "patient_id", "create_time", "id"),
    sa.Index("claims_to_ask_for", "ask_time"),
)

payments = sa.Table(
    "payments",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    sa.Column("claim_id", sa.String(48), sa.ForeignKey("claims.id"), nullable=False),
    sa.Column("payer", sa.SmallInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("create_time", sa.BigInteger, nullable=False),
    sa.Index("payments_by_claim", "claim_id"),
)

ledger_entries = sa.Table(
    "ledger_entries",
    metadata,
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
    # A transaction's id is derived from what it is about, so that it cannot be entered twice.
    sa.UniqueConstraint("transaction_id", "account", name="ledger_entries_once"),
    sa.Index("ledger_entries_by_claim", "claim_id", "position"),
    sa.Index("ledger_entries_by_patient", "patient_id", "account"),
    sa.Index("ledger_entries_by_account", "account", "position"),
)
