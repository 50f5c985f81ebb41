"""What goes wrong meanwhile: kills, hangs, broken databases, handlers that fail in ways nobody foresaw."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Final

from mesh.chaos.faults import build
from mesh.chaos.faults.refusal import NotInjectable
from mesh.chaos.model import FaultSpec, Kind
from mesh.runtime.client import Platform
from tests.observability.canary.birds import Flock

SERVICES: Final = ("records", "scheduling", "triage", "billing")

FAULTS: Final[Sequence[FaultSpec]] = (
    *(FaultSpec(Kind.KILL, f"{service}-1") for service in SERVICES),
    *(FaultSpec(Kind.FAIL, each, parameters={"abort": "INTERNAL"}) for each in SERVICES),
    *(FaultSpec(Kind.FAIL, each, parameters={"abort": "UNAVAILABLE"}) for each in SERVICES[:2]),
    *(FaultSpec(Kind.DATABASE_LOCKED, service) for service in SERVICES),
    *(FaultSpec(Kind.DATABASE_GONE, service) for service in SERVICES),
    FaultSpec(Kind.DISK_FULL, "scheduling"),
    FaultSpec(Kind.STOP, "records-2"),
    FaultSpec(Kind.SLOW, "records", parameters={"delay_ms": 900}),
)


@contextmanager
def broken(platform: Platform, spec: FaultSpec, chance: Random) -> Iterator[bool]:
    """The platform with the fault; False where this machine does not let it be made."""
    fault = build(spec, platform, chance)
    try:
        try:
            fault.inject()
        except NotInjectable:
            yield False
        else:
            yield True
    finally:
        fault.lift()


@contextmanager
def unforeseen(home: Path, service: str, flock: Flock) -> Iterator[None]:
    """A database that raises on every write, with a value in what it says.

    It stands for every text that a database may put into an exception: PostgreSQL quotes rows.
    """
    with closing(_opened(home, service)) as database:
        tables = _tables(database)
        word = flock.text(f"{service}: database error")
        for table in tables:
            for verb in ("INSERT", "UPDATE"):
                database.execute(
                    f'CREATE TRIGGER "canary_{verb}_{table}" BEFORE {verb} ON "{table}" '
                    f"BEGIN SELECT RAISE(ABORT, 'Key (name)=({word}) exists'); END"
                )
        try:
            yield
        finally:
            for table in tables:
                for verb in ("INSERT", "UPDATE"):
                    database.execute(f'DROP TRIGGER "canary_{verb}_{table}"')


@contextmanager
def without_tables(home: Path, service: str) -> Iterator[None]:
    """A database without its tables: no statement is one that can be, whatever its values."""
    with closing(_opened(home, service)) as database:
        tables = _tables(database)
        for table in tables:
            database.execute(f'ALTER TABLE "{table}" RENAME TO "gone_{table}"')
        try:
            yield
        finally:
            for table in tables:
                database.execute(f'ALTER TABLE "gone_{table}" RENAME TO "{table}"')


def _opened(home: Path, service: str) -> sqlite3.Connection:
    database = sqlite3.connect(home / "data" / f"{service}.db", timeout=10, isolation_level=None)
    # What refers to a table keeps referring to its name.
    database.execute("PRAGMA legacy_alter_table = ON")
    return database


def _tables(database: sqlite3.Connection) -> list[str]:
    found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return [name for (name,) in found if not name.startswith(("sqlite_", "alembic"))]
