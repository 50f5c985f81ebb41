"""Transactions mean the same on both databases."""

import sqlite3
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, exc

from mesh.persistence import Database, new_id
from plexus.errors import Fault
from tests.mesh.persistence.clinic import effects, record, recorded


def test_a_write_that_raises_changes_nothing(clinic: Database) -> None:
    def fail() -> None:
        with clinic.write() as tx:
            record(tx, "eff_1", 1)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert recorded(clinic) == []


def test_a_read_sees_one_moment(replicas: tuple[Database, Database]) -> None:
    with replicas[0].read() as tx:
        before = tx.execute(sa.select(effects)).all()
        with replicas[1].write() as other:
            record(other, "eff_1", 1)
        assert tx.execute(sa.select(effects)).all() == before == []
    assert recorded(replicas[0]) == [1]


def test_a_read_cannot_write(clinic: Database) -> None:
    with pytest.raises((exc.DBAPIError, Fault)), clinic.read() as tx:
        record(tx, "eff_1", 1)
    assert recorded(clinic) == []


def test_a_write_inside_a_write_is_a_mistake_and_says_so(clinic: Database) -> None:
    with clinic.write():
        with pytest.raises(RuntimeError, match="inside"), clinic.write():
            pass
    with clinic.write() as tx:
        record(tx, "eff_1", 1)


def test_many_threads_write_through_two_replicas_without_a_failure(
    replicas: tuple[Database, Database],
) -> None:
    def write(number: int) -> None:
        with replicas[number % 2].write() as tx:
            record(tx, f"eff_{number}", number)

    with ThreadPoolExecutor(32) as threads:
        list(threads.map(write, range(300)))
    assert recorded(replicas[0]) == list(range(300))


@pytest.mark.parametrize("way", ["write", "transact"])
def test_a_broken_rule_of_the_schema_is_told_without_the_values(clinic: Database, way: str) -> None:
    value = new_id("eff")

    def insert() -> None:
        if way == "transact":
            clinic.transact(lambda tx: record(tx, value, 1))
        else:
            with clinic.write() as tx:
                record(tx, value, 1)

    insert()
    with pytest.raises(exc.IntegrityError) as failure:
        insert()
    assert value not in "".join(traceback.format_exception(failure.value))


def test_a_deadlock_is_resolved_by_running_the_work_again(postgres_url: str) -> None:
    database = Database(postgres_url, patience=30)
    with database.write() as tx:
        effects.create(tx)
        record(tx, "a", 0)
        record(tx, "b", 0)
    both_hold_one = threading.Barrier(2)
    attempts: list[str] = []

    def cross(first: str, second: str) -> None:
        def work(tx: Connection) -> None:
            attempts.append(first)
            _increment(tx, first)
            if len(attempts) <= 2:
                both_hold_one.wait(10)
            _increment(tx, second)

        database.transact(work)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(cross, "ab", "ba"))
    assert recorded(database) == [2, 2]
    assert len(attempts) == 3
    database.close()


def _increment(tx: Connection, name: str) -> None:
    tx.execute(sa.update(effects).where(effects.c.id == name).values(event=effects.c.event + 1))


def test_a_locked_store_is_unavailable(clinic: Database, database_url: str) -> None:
    with clinic.write() as tx:
        record(tx, "eff_1", 1)
    impatient = Database(database_url, patience=0.2)
    with clinic.write() as tx:
        _increment(tx, "eff_1")
        with pytest.raises(Fault) as refusal:
            impatient.transact(lambda other: _increment(other, "eff_1"))
    impatient.transact(lambda tx: _increment(tx, "eff_1"))
    impatient.close()
    assert refusal.value.reason.name == "STORE_UNAVAILABLE"
    assert recorded(clinic) == [3]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_store_out_of_reach_is_unavailable(kind: str, tmp_path: Path) -> None:
    (tmp_path / "folder.db").mkdir()
    url = (
        f"sqlite:///{tmp_path}/folder.db"
        if kind == "sqlite"
        else f"postgresql://nobody@/none?host={tmp_path}"
    )
    database = Database(url, patience=0.2)
    for attempt in (database.read, database.write):
        with pytest.raises(Fault) as refusal, attempt() as tx:
            tx.execute(sa.select(1))
        assert refusal.value.reason.name == "STORE_UNAVAILABLE"
    database.close()


def test_a_store_that_comes_back_is_used_again(postgres_url: str) -> None:
    database, administrator = Database(postgres_url), Database(postgres_url)
    with database.write() as tx:
        effects.create(tx)
        session = tx.scalar(sa.text("SELECT pg_backend_pid()"))
    with administrator.write() as tx:
        tx.execute(sa.text("SELECT pg_terminate_backend(:session, 5000)"), {"session": session})
    with pytest.raises(Fault) as refusal:
        recorded(database)
    assert refusal.value.reason.name == "STORE_UNAVAILABLE"
    assert recorded(database) == []
    database.close()
    administrator.close()


def test_a_connection_given_back_after_the_end_is_closed(database_url: str) -> None:
    database = Database(database_url)
    for begin in (database.read, database.write):
        with begin() as tx:
            driver: Any = tx.connection.dbapi_connection
            database.close()
        with pytest.raises((sqlite3.ProgrammingError, psycopg.OperationalError)):
            driver.execute("SELECT 1")


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/data/service.db")
    with database.write() as tx:
        effects.create(tx)
    files = [tmp_path / "data", *(tmp_path / "data").iterdir()]
    assert len(files) > 1
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)
    database.close()
