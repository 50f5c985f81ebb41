"""Accesses: taken in journal by journal, each once, and listed by patient."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from mesh.persistence import insert_rows
from services.records.store.tables import access_journals, accesses


class Row(NamedTuple):
    """An access to one patient. *time* is in microseconds since 1970, UTC."""

    patient_id: str
    time: int
    journal_id: str
    sequence: int
    service: str
    message: bytes


class Key(NamedTuple):
    """Where a row stands in the list of its patient."""

    time: int
    journal_id: str
    sequence: int


_own: Final = sa.and_(
    access_journals.c.service == sa.bindparam("own_service"),
    access_journals.c.journal_id == sa.bindparam("own_journal"),
)
_known: Final = sa.select(access_journals.c.sequence).where(_own)
_advance: Final = (
    sa.update(access_journals)
    .where(_own, access_journals.c.sequence == sa.bindparam("after"))
    .values(sequence=sa.bindparam("through"))
)
_begin: Final = sa.text(
    "INSERT INTO access_journals (service, journal_id, sequence)"
    " VALUES (:own_service, :own_journal, 0) ON CONFLICT DO NOTHING"
)


def known(tx: Connection, service: str, journal_id: str) -> int:
    """The sequence up to which a journal of a service is known; 0 before it was told of."""
    own = {"own_service": service, "own_journal": journal_id}
    return tx.execute(_known, own).scalar() or 0


def take(
    tx: Connection, service: str, journal_id: str, after: int, through: int, rows: Sequence[Row]
) -> int:
    """File the rows unless the journal is known up to elsewhere; returns up to where it is known now."""
    own: dict[str, Any] = {"own_service": service, "own_journal": journal_id}
    tx.execute(_begin, own)
    if not tx.execute(_advance, {**own, "after": after, "through": through}).rowcount:
        return known(tx, service, journal_id)
    if rows:
        insert_rows(tx, accesses, rows)
    return through


def of_patient(
    tx: Connection, patient_id: str, service: str, limit: int, before: Key | None
) -> list[Row]:
    """At most *limit* accesses to a patient, the newest first, those older than *before*; only those
    at *service*, unless it is empty."""
    order = (accesses.c.time, accesses.c.journal_id, accesses.c.sequence)
    query = sa.select(accesses).where(accesses.c.patient_id == patient_id)
    if service:
        query = query.where(accesses.c.service == service)
    if before is not None:
        query = query.where(sa.tuple_(*order) < sa.tuple_(*before))
    query = query.order_by(*(column.desc() for column in order)).limit(limit)
    return [Row(*row) for row in tx.execute(query)]
