"""What the database itself holds to, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from mesh.persistence import Database, migrate
from mesh.persistence.migrations import differences
from mesh.persistence.schema import cursors, requests
from plexus.billing.v1.payment_pb2 import Payer
from plexus.errors import PlexusError
from services.billing.domain import ledger as rules
from services.billing.store import ledger
from services.billing.store.tables import metadata
from tests.services.billing.practice import Practice, appointment_id


def test_the_migrated_schema_is_the_one_the_code_declares(database: Database) -> None:
    migrate(database, "services.billing")
    assert differences(database, metadata, requests, cursors) == []


@pytest.mark.parametrize("table", ["ledger_entries", "payments"])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE {table} SET amount = 1", "DELETE FROM {table}"],
    ids=["update", "delete"],
)
def test_the_database_refuses_to_change_what_was_entered(
    practice: Practice, table: str, statement: str
) -> None:
    practice.complete(1)
    practice.ask_records()
    practice.pay(practice.submit(practice.claim(1)), Payer.PAYER_PATIENT, 10)
    with pytest.raises(sa.exc.IntegrityError, match=rf"{table}.*append.only"):
        with practice.database.write() as tx:
            tx.execute(sa.text(statement.format(table=table)))


def test_the_database_refuses_what_goes_around_update_and_delete(practice: Practice) -> None:
    practice.complete(1)
    statement = (
        "INSERT OR REPLACE INTO ledger_entries SELECT * FROM ledger_entries"
        if practice.database.is_sqlite
        else "TRUNCATE ledger_entries"
    )
    with pytest.raises(sa.exc.IntegrityError, match=r"ledger_entries.*append.only"):
        with practice.database.write() as tx:
            tx.execute(sa.text(statement))


def test_the_same_charge_cannot_be_entered_twice(practice: Practice) -> None:
    practice.complete(1)
    entries = practice.entries()
    with practice.database.read() as tx:
        (claim,) = practice.stored(tx, appointment_id(1))
    again = ledger.Happening(rules.charge(claim.total), claim, claim.id, practice.clock())
    with pytest.raises(sa.exc.IntegrityError):
        practice.database.transact(lambda tx: ledger.enter(tx, [again]))
    assert practice.entries() == entries


def test_twenty_payments_at_once_never_pay_more_than_is_owed(practice: Practice) -> None:
    practice.complete(1, codes=["unlisted"])
    practice.ask_records()
    claim = practice.submit(practice.claim(1))

    def pay(number: int) -> str:
        try:
            practice.pay(claim, Payer.PAYER_PATIENT, 1_000, request_id=f"at-once-{number}")
        except PlexusError as refusal:
            return refusal.reason
        return "accepted"

    with ThreadPoolExecutor(10) as threads:
        outcomes = Counter(threads.map(pay, range(20)))
    assert outcomes == {"accepted": 10, "CLAIM_ALREADY_PAID": 10}
    assert practice.balance() == (10_000, 10_000, 0, 0)
    amounts = [entry.amount.minor_units for entry in practice.entries()]
    assert len(amounts) == 22
    assert sum(amounts) == 0
