"""The tables that `once`, `Outbox` and `Follower` need, and what creates them in a migration.

The `create_…` functions are history: they are what existing databases were made by, and do not
change. A change of a table is a function of its own, called by a migration of its own.
"""

from typing import Protocol

import sqlalchemy as sa

metadata = sa.MetaData()

requests = sa.Table(
    "requests",
    metadata,
    sa.Column("caller", sa.String(255), primary_key=True),
    sa.Column("request_id", sa.String(64), primary_key=True),
    # SHA-256 over the request's type and content.
    sa.Column("fingerprint", sa.LargeBinary(32), nullable=False),
    # The answer; of a refused request the google.rpc.Status that it was refused with.
    sa.Column("response", sa.LargeBinary, nullable=False),
    sa.Column("refused", sa.Boolean, nullable=False),
    # Unix time, seconds.
    sa.Column("create_time", sa.BigInteger, nullable=False),
    sa.Index("requests_by_create_time", "create_time"),
)

feeds = sa.Table(
    "feeds",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    # The highest sequence given; its row lock is what orders writers.
    sa.Column("last", sa.BigInteger, nullable=False),
)

cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("follower", sa.String(64), primary_key=True),
    # The sequence of the last event applied.
    sa.Column("sequence", sa.BigInteger, nullable=False),
)


def outbox(name: str, metadata: sa.MetaData) -> sa.Table:
    """The table of one feed."""
    return sa.Table(
        name,
        metadata,
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        # Unix time, seconds.
        sa.Column("create_time", sa.BigInteger, nullable=False),
        # W3C trace context of the call that caused it; NULL when none did, or before it was kept.
        sa.Column("traceparent", sa.String(55)),
    )


class Operations(Protocol):
    """What is used of `alembic.op`."""

    def create_table(self, table_name: str, *columns: sa.schema.SchemaItem) -> sa.Table: ...

    def create_index(
        self, index_name: str | None, table_name: str, columns: list[str]
    ) -> object: ...

    def add_column(self, table_name: str, column: sa.Column[str]) -> object: ...


def create_requests(op: Operations) -> None:
    """Creates what `once` needs."""
    op.create_table(
        "requests",
        sa.Column("caller", sa.String(255), primary_key=True),
        sa.Column("request_id", sa.String(64), primary_key=True),
        sa.Column("fingerprint", sa.LargeBinary(32), nullable=False),
        sa.Column("response", sa.LargeBinary, nullable=False),
        sa.Column("refused", sa.Boolean, nullable=False),
        sa.Column("create_time", sa.BigInteger, nullable=False),
    )
    op.create_index("requests_by_create_time", "requests", ["create_time"])


def create_feeds(op: Operations) -> None:
    """Creates the counters of all feeds of a service."""
    op.create_table(
        "feeds",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("last", sa.BigInteger, nullable=False),
    )


def create_outbox(op: Operations, name: str) -> None:
    """Creates the table of one feed; `create_feeds` is called once beside it."""
    op.create_table(
        name,
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("create_time", sa.BigInteger, nullable=False),
    )


def create_cursors(op: Operations) -> None:
    """Creates what every `Follower` of a service needs."""
    op.create_table(
        "cursors",
        sa.Column("follower", sa.String(64), primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
    )


def add_traceparent(op: Operations, name: str) -> None:
    """Lets the events of one feed keep which trace they come from."""
    op.add_column(name, sa.Column("traceparent", sa.String(55)))
