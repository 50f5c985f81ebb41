"""What the tests of persistence persist."""

import sqlalchemy as sa
from sqlalchemy import Connection

from mesh.persistence import Database, Outbox

metadata = sa.MetaData()
events = Outbox("appointment_events", metadata)
effects = sa.Table(
    "effects",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("event", sa.BigInteger, nullable=False),
)


def record(tx: Connection, identity: str, event: int) -> None:
    """Leaves an effect."""
    tx.execute(sa.insert(effects).values(id=identity, event=event))


def recorded(database: Database) -> list[int]:
    """The events of all effects, in order."""
    with database.read() as tx:
        return list(tx.scalars(sa.select(effects.c.event).order_by(effects.c.event)))


class OpenCall:
    """A gRPC call whose client is there until it is cancelled."""

    def __init__(self, remaining: float | None = None) -> None:
        self.active = True
        self._remaining = remaining

    def is_active(self) -> bool:
        return self.active

    def time_remaining(self) -> float | None:
        return self._remaining

    def cancel(self) -> None:
        self.active = False
