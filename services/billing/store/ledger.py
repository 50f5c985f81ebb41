"""The ledger in the database: entries go in, none is ever changed. The database holds to that itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from mesh.persistence import derived_id
from services.billing.domain.claim import Claim
from services.billing.domain.ledger import Transaction
from services.billing.store.moments import instant, micros
from services.billing.store.tables import ledger_entries as entries

_ONE_AT_A_TIME = sa.text("SELECT pg_advisory_xact_lock(hashtext('plexus billing ledger'))")


# Statements are made once: to put one together costs more than to execute it.
_ENTER = sa.insert(entries)
_SUMS = (
    sa.select(entries.c.account, sa.func.sum(entries.c.amount))
    .where(entries.c.patient_id == sa.bindparam("patient_id"))
    .where(entries.c.currency == sa.bindparam("currency"))
    .group_by(entries.c.account)
)


@dataclass(frozen=True, slots=True)
class Happening:
    """A transaction and what it is about. *cause* is the id of the claim or payment it enters.

    The transaction's id is derived from cause and kind: entering the same twice fails.
    """

    transaction: Transaction
    claim: Claim
    cause: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it was made. *amount* is in minor units, positive for a debit."""

    position: int
    id: str
    transaction_id: str
    kind: int
    account: int
    currency: str
    amount: int
    claim_id: str
    patient_id: str
    time: datetime


def enter(tx: Connection, happenings: Iterable[Happening]) -> None:
    """Enter transactions. Call it last: from here on, writers of the ledger wait for each other.

    They do so that positions appear in the order of commits, and a page never skips an entry.
    """
    rows = [row for happening in happenings for row in _rows(happening)]
    if not rows:
        return
    if tx.dialect.name == "postgresql":
        tx.execute(_ONE_AT_A_TIME)
    tx.execute(_ENTER, rows)


def page(tx: Connection, claim_id: str, account: int, size: int, after: int) -> list[Entry]:
    """At most *size* entries after a position, oldest first; empty *claim_id* or 0 means any."""
    query = sa.select(entries).where(entries.c.position > after).order_by(entries.c.position)
    if claim_id:
        query = query.where(entries.c.claim_id == claim_id)
    if account:
        query = query.where(entries.c.account == account)
    return [
        Entry(**{**row, "time": instant(row["time"])})
        for row in tx.execute(query.limit(size)).mappings()
    ]


def sums(tx: Connection, patient_id: str, currency: str) -> Mapping[int, int]:
    """What the entries of a patient add up to, by account, in minor units of *currency*."""
    rows = tx.execute(_SUMS, {"patient_id": patient_id, "currency": currency})
    return {account: int(total) for account, total in rows}


def _rows(happening: Happening) -> Iterable[dict[str, Any]]:
    transaction, claim = happening.transaction, happening.claim
    transaction_id = derived_id("txn", happening.cause, str(transaction.kind))
    for posting in transaction.postings:
        yield {
            "id": derived_id("led", transaction_id, str(posting.account)),
            "transaction_id": transaction_id,
            "kind": transaction.kind,
            "account": posting.account,
            "currency": claim.currency,
            "amount": posting.amount,
            "claim_id": claim.id,
            "patient_id": claim.patient_id,
            "time": micros(happening.time),
        }
