"""A service's own database: transactions on SQLite and on PostgreSQL that mean the same.

A read sees one moment of the database. A write is alone (SQLite) or takes the row locks it needs
(PostgreSQL, READ COMMITTED); what it commits survives `kill -9` and loss of power. SQLite runs with
`synchronous=FULL` for that: with NORMAL a power cut could take back the last commits after other
services had followed their events, and the feed would then give the same numbers to other events.
The price is one fsync per write transaction, 0.3 ms where it was measured.
"""

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, make_url, text
from sqlalchemy.pool import ConnectionPoolEntry

from mesh.persistence.bell import Bell
from mesh.persistence.failures import (
    is_contended,
    is_unavailable,
    store_unavailable,
    without_values,
)
from mesh.persistence.pools import PoolView, view
from mesh.persistence.statements import show
from plexus.client import go_on, inbound
from plexus.client.spans import SECONDS, note
from plexus.client.turns import Turns

T = TypeVar("T")

# Seconds to wait for a lock or a connection: the longest deadline of a unary method, since a
# caller is gone by then.
PATIENCE: Final = 2.0
SCHEMA_PATIENCE: Final = 60.0
# What of a call's time is kept for the answer when there is no lock to be had: a share, at least
# so many seconds.
_ANSWERING_SHARE: Final = 0.1
_ANSWERING: Final = 0.03
# Seconds after which PostgreSQL ends a transaction whose process hangs, and so frees its locks.
_IDLE_IN_TRANSACTION: Final = 10.0
_ATTEMPTS: Final = 6
# One handler holds one connection, so this many threads can read at once.
_READERS: Final = 64
_POSTGRES_CONNECTIONS: Final = 16
# What statements raise, the pool, and the driver where it is used directly.
_FAILURES: Final = (exc.DBAPIError, exc.TimeoutError, sqlite3.Error)
# Seconds of waiting for other writers that show on a trace.
_WORTH_TELLING: Final = 0.001
_RUNG: Final = "mesh.persistence.rung"
_FILE: Final = "mesh.persistence.file"


class Database:
    """One database, one instance per process. *url* is SQLAlchemy's: `sqlite:///path`,
    `postgresql://…`.

    Every method raises Fault STORE_UNAVAILABLE when the store is locked or out of reach.
    """

    def __init__(self, url: str, *, patience: float = PATIENCE) -> None:
        self.url = _with_driver(make_url(url))
        self._patience = patience
        self._bells: dict[str, Bell] = {}
        self._bells_lock = threading.Lock()
        self._inside = threading.local()
        self.draining = False
        if self.is_sqlite:
            self._reader = _sqlite(self.url, _READERS, patience, writable=False)
            # One connection is one writer: threads queue for it in order, each for as long as its
            # caller waits, and only one contends with other processes for the lock of the file.
            self._turns = Turns()
            self._writer = _sqlite(self.url, 1, patience, writable=True)
            show(self._reader)
        else:
            self._writer = _postgres(self.url, patience)
            self._reader = self._writer.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        show(self._writer)
        self._closed = False
        for pool in {self._reader.pool, self._writer.pool}:
            event.listen(pool, "checkin", self._given_back)

    @property
    def is_sqlite(self) -> bool:
        """SQLite, and not PostgreSQL."""
        return self.url.get_backend_name() == "sqlite"

    def pools(self) -> list[PoolView]:
        """Its connections, by what they are for."""
        if self.is_sqlite:
            write = view("write", self._writer, 1, self._turns)
            return [view("read", self._reader, _READERS), write]
        return [view("all", self._writer, _POSTGRES_CONNECTIONS)]

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one moment and cannot write. Keep it short: never across a
        `yield` to a client. Not begun for a caller that has gone: DEADLINE_EXHAUSTED."""
        go_on()
        with _as_faults(), self._reader.connect() as tx:
            if self.is_sqlite:
                _cursor(tx).execute("BEGIN")
            yield tx

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits at the end of the block, or does nothing if it raises.

        Not to be nested. No remote call belongs in it: it holds locks others wait for.
        Not begun for a caller that has gone: DEADLINE_EXHAUSTED.
        """
        go_on()
        with _as_faults(), self._writing(self._patience) as tx:
            yield tx

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Runs *work* in a write transaction, again if it lost against another (deadlock).

        *work* may run several times and must have no effect outside the transaction.
        """
        for attempt in range(1, _ATTEMPTS):
            go_on()
            try:
                with self._writing(self._patience) as tx:
                    return work(tx)
            except _FAILURES as error:
                if not is_contended(error):
                    raise _meaning(error) from (error if is_unavailable(error) else None)
            time.sleep(random.uniform(0.5, 1.0) * 0.005 * 2**attempt)  # noqa: S311 (jitter)
        with self.write() as tx:
            return work(tx)

    @contextmanager
    def alter(self) -> Iterator[Connection]:
        """The transaction that changes the schema: one at a time over all processes, waiting up
        to a minute for its turn. Foreign keys are checked at the end instead of on the way."""
        with _as_faults(), self._writing(SCHEMA_PATIENCE, foreign_keys=False) as tx:
            if not self.is_sqlite:
                tx.execute(text(f"SET LOCAL lock_timeout = '{SCHEMA_PATIENCE:.0f}s'"))
                tx.execute(text("SELECT pg_advisory_xact_lock(hashtext('plexus schema'))"))
            yield tx
            if self.is_sqlite and tx.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise RuntimeError("the migration leaves rows whose foreign keys point nowhere")

    def bell(self, name: str) -> Bell:
        """What rings in this process when a transaction that called `ring_on_commit` commits."""
        with self._bells_lock:
            return self._bells.setdefault(name, Bell())

    def end_streams(self) -> None:
        """Ends open `Outbox.stream`s at their next event, so that a draining process can exit."""
        self.draining = True
        with self._bells_lock:
            bells = tuple(self._bells.values())
        for bell in bells:
            bell.ring()

    def close(self) -> None:
        """Ends streams and closes connections; those in use now, when they are given back."""
        self._closed = True
        self.end_streams()
        self._reader.dispose()
        self._writer.dispose()

    def _given_back(self, _: object, record: ConnectionPoolEntry) -> None:
        # The pool it goes back to has been emptied for good.
        if self._closed:
            record.close()

    @contextmanager
    def _writing(self, patience: float, foreign_keys: bool = True) -> Iterator[Connection]:
        if getattr(self._inside, "write", False):
            raise RuntimeError("a write transaction inside a write transaction")
        self._inside.write = True
        try:
            with ExitStack() as stack:
                end = time.monotonic() + _within_call(patience)
                if self.is_sqlite:
                    stack.enter_context(_turn(self._turns, end))
                tx = stack.enter_context(self._writer.connect())
                if self.is_sqlite:
                    _cursor(tx).execute(f"PRAGMA foreign_keys = {int(foreign_keys)}")
                    _begin_immediate(tx, end)
                tx.info.pop(_RUNG, None)
                with tx.begin():
                    yield tx
                rung: set[str] = tx.info.pop(_RUNG, set())
        finally:
            self._inside.write = False
        for name in rung:
            self.bell(name).ring()


def ring_on_commit(tx: Connection, name: str) -> None:
    """Has the bell of that name ring when *tx* commits."""
    tx.info.setdefault(_RUNG, set()).add(name)


@contextmanager
def _as_faults() -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        raise _meaning(error) from (error if is_unavailable(error) else None)


def _meaning(error: Exception) -> Exception:
    return store_unavailable() if is_unavailable(error) else without_values(error)


def _cursor(tx: Connection) -> sqlite3.Cursor:
    cursor: sqlite3.Cursor = tx.connection.cursor()  # type: ignore[assignment]
    return cursor


def _within_call(patience: float) -> float:
    """*patience*, and so much less that the caller hears in time that it was in vain."""
    work = inbound()
    if work is None:
        return patience
    left = work.remaining()
    return min(patience, left - max(left * _ANSWERING_SHARE, _ANSWERING))


@contextmanager
def _turn(turns: Turns, end: float) -> Iterator[None]:
    began = time.monotonic()
    taken = turns.take(max(0.0, end - began))
    waited = time.monotonic() - began
    if waited > _WORTH_TELLING:
        note("plexus.store.queued", {SECONDS: waited})
    if not taken:
        raise store_unavailable()
    try:
        yield
    finally:
        turns.give_back()


def _begin_immediate(tx: Connection, end: float) -> None:
    # SQLite's own wait sleeps up to 100 ms between looks, and a busy neighbour process starves it.
    cursor = _cursor(tx)
    while True:
        try:
            cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(random.uniform(0.0005, 0.002))  # noqa: S311 (jitter)
        else:
            return


def _with_driver(url: URL) -> URL:
    if url.get_backend_name() == "sqlite":
        if url.database in (None, "", ":memory:"):
            raise ValueError("SQLite in memory cannot be shared; give a path")
        return url
    return url.set(drivername="postgresql+psycopg")


def _sqlite(url: URL, connections: int, patience: float, *, writable: bool) -> Engine:
    path = Path(url.database or "")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(OSError):
        # SQLite gives its files beside it the same mode. What is wrong, connecting will tell.
        path.touch(mode=0o600)
    engine = create_engine(
        url,
        creator=lambda: _open(path, patience),
        pool_size=min(connections, 8),
        max_overflow=max(0, connections - 8),
        pool_timeout=patience,
        # Values are patients' data and would stand in the text of exceptions.
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
        record.info[_FILE] = _identity(path)
        _enter_wal(connection, patience)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA query_only = {int(not writable)}")
        if writable:
            connection.execute("PRAGMA busy_timeout = 0")

    @event.listens_for(engine, "checkout")
    def _still_there(_: object, record: ConnectionPoolEntry, __: object) -> None:
        # What is written to a file that was moved away or replaced is acknowledged and lost.
        if record.info[_FILE] != _identity(path):
            raise exc.DisconnectionError

    return engine


def _open(path: Path, patience: float) -> sqlite3.Connection:
    # It must exist: an empty database in the place of one that is gone would answer for it.
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=patience,
        isolation_level=None,
        check_same_thread=False,
    )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _enter_wal(connection: sqlite3.Connection, patience: float) -> None:
    # SQLite does not wait by itself when two processes switch a new file at once.
    end = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.005)
        else:
            return


def _postgres(url: URL, patience: float) -> Engine:
    given = url.query.get("options", "")
    options = (
        f"{given if isinstance(given, str) else ' '.join(given)}"
        f" -c lock_timeout={round(patience * 1000)}"
        f" -c idle_in_transaction_session_timeout={round(_IDLE_IN_TRANSACTION * 1000)}"
    )
    return create_engine(
        url,
        pool_size=_POSTGRES_CONNECTIONS // 2,
        max_overflow=_POSTGRES_CONNECTIONS // 2,
        pool_timeout=patience,
        hide_parameters=True,
        isolation_level="READ COMMITTED",
        connect_args={"connect_timeout": max(1, round(patience)), "options": options},
    )
