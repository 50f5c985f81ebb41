"""A feed of events, written in the transaction of what they tell of.

Sequences count up from 1 without gaps, in the order of commits: the counter's row is locked from
`append` to the end of the transaction, so whoever has seen N will never see less than N appear.
Append as late in a transaction as possible; from there on writers to the feed are one behind the
other.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, NamedTuple, Protocol

import sqlalchemy as sa
from sqlalchemy import Connection, MetaData

from mesh.persistence import schema
from mesh.persistence.database import Database, ring_on_commit
from plexus.client import inbound, working

# Seconds between looks for what other processes wrote; writes of this process wake at once.
POLL: Final = 0.1
# A stream ends by itself this many seconds before its deadline: an end is not an error.
_BEFORE_DEADLINE: Final = 0.5
_BATCH: Final = 200

_NEXT: Final = sa.text(
    "INSERT INTO feeds (name, last) VALUES (:name, :count)"
    " ON CONFLICT (name) DO UPDATE SET last = feeds.last + :count RETURNING last"
)


class Entry(NamedTuple):
    """One event: its place in the feed, its bytes, and the trace context of the call that caused it,
    empty when that is not known."""

    sequence: int
    payload: bytes
    traceparent: str = ""


class Context(Protocol):
    """What a stream asks of its gRPC call."""

    def is_active(self) -> bool: ...

    def time_remaining(self) -> float | None: ...


class Outbox:
    """The feed *name*; its table, of the same name, becomes part of *metadata*."""

    def __init__(self, name: str, metadata: MetaData) -> None:
        self.name = name
        self.table = schema.outbox(name, metadata)
        self._insert = sa.insert(self.table)
        self._after = (
            sa.select(self.table.c.sequence, self.table.c.payload, self.table.c.traceparent)
            .where(self.table.c.sequence > sa.bindparam("after"))
            .order_by(self.table.c.sequence)
            .limit(sa.bindparam("count"))
        )

    def append(self, tx: Connection, payload: bytes) -> int:
        """Adds an event; returns its sequence."""
        return self.append_all(tx, (payload,))

    def append_all(self, tx: Connection, payloads: Sequence[bytes]) -> int:
        """Adds events in their order, at the price of one; returns the last one's sequence."""
        if not payloads:
            return self.last(tx)
        last: int = tx.execute(_NEXT, {"name": self.name, "count": len(payloads)}).scalar_one()
        first = last - len(payloads) + 1
        now = int(time.time())
        cause = _cause()
        tx.execute(
            self._insert,
            [
                {
                    "sequence": sequence,
                    "payload": payload,
                    "create_time": now,
                    "traceparent": cause,
                }
                for sequence, payload in enumerate(payloads, first)
            ],
        )
        ring_on_commit(tx, self.name)
        return last

    def last(self, tx: Connection) -> int:
        """The sequence of the newest event; 0 when there is none."""
        counter = sa.select(schema.feeds.c.last).where(schema.feeds.c.name == self.name)
        return tx.execute(counter).scalar() or 0

    def read(self, tx: Connection, after: int, limit: int = _BATCH) -> list[Entry]:
        """At most *limit* events after *after*, in order."""
        rows = tx.execute(self._after, {"after": after, "count": limit})
        return [Entry(sequence, bytes(payload), cause or "") for sequence, payload, cause in rows]

    def stream(
        self, database: Database, after: int, context: Context, poll: float = POLL
    ) -> Iterator[Entry]:
        """Every event after *after*, then events as they come, until the caller has gone, its
        deadline is near, or the process drains. Holds no transaction while it waits or yields."""
        bell = database.bell(self.name)
        while _is_wanted(database, context):
            heard = bell.rings
            with _untold(), database.read() as tx:
                entries = self.read(tx, after)
            for entry in entries:
                yield entry
                after = entry.sequence
            if not entries:
                bell.wait(heard, poll)


def _cause() -> str | None:
    work = inbound()
    return (work.traceparent or None) if work else None


@contextmanager
def _untold() -> Iterator[None]:
    """Looks for news are made ten times a second for as long as a stream lives: no trace shows them."""
    work = inbound()
    if work is None or not work.sampled:
        yield
        return
    with working(replace(work, sampled=False)):
        yield


def _is_wanted(database: Database, context: Context) -> bool:
    remaining = context.time_remaining()
    return (
        context.is_active()
        and not database.draining
        and (remaining is None or remaining > _BEFORE_DEADLINE)
    )
