"""Writing: a batch of resources, with the events that tell of it, in one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from plexus.records.v1.record_event_pb2 import RecordEvent
from services.records.domain.versions import History, Version
from services.records.store.tables import (
    aliases,
    events,
    labels,
    originals,
    patient_identifiers,
    patient_names,
    patients,
    resources,
    superseded,
)

_LOCK: Final = sa.text("SELECT pg_advisory_xact_lock(hashtext('records of ' || :source))")
_SUPERSEDE: Final = sa.text(
    "INSERT INTO superseded (id, digest) VALUES (:id, :digest) ON CONFLICT DO NOTHING"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNPLACED: Final = 2**63 - 1

Columns = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PatientRow:
    """A patient to be searched for: folded names, whole identifiers (value, system)."""

    family: str
    birth_date: str
    message: bytes
    names: frozenset[str]
    identifiers: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Row:
    """One resource, ready to be written. `content` is deflated; `time` orders its kind."""

    id: str
    source: str
    type: str
    source_id: str
    version: Version
    patient_key: str | None
    kind: int
    time: datetime | None
    part: bytes = field(repr=False)
    names_by: str | None
    refers_to: tuple[str, ...]
    content: bytes = field(repr=False)
    aliases: frozenset[str] = frozenset()
    label: bytes | None = field(default=None, repr=False)
    patient: PatientRow | None = None


def lock(tx: Connection, source: str) -> None:
    """Waits until no other transaction files resources of *source*: what is read from here on stays
    true to the end. On SQLite every write transaction is alone."""
    if tx.dialect.name == "postgresql":
        tx.execute(_LOCK, {"source": source})


def histories(tx: Connection, ids: Iterable[str]) -> dict[str, History]:
    """What is here and what was here of *ids*, by id."""
    wanted = list(ids)
    past: dict[str, set[bytes]] = {}
    before = sa.select(superseded.c.id, superseded.c.digest).where(superseded.c.id.in_(wanted))
    for identity, digest in tx.execute(before):
        past.setdefault(identity, set()).add(bytes(digest))
    columns = resources.c.digest, resources.c.version, resources.c.last_updated
    found = tx.execute(sa.select(resources.c.id, *columns).where(resources.c.id.in_(wanted)))
    return {
        identity: History(
            Version(bytes(digest), number, _instant(updated)), frozenset(past.get(identity, ()))
        )
        for identity, digest, number, updated in found
    }


def file(tx: Connection, rows: Sequence[Row], known: Mapping[str, History]) -> None:
    """Puts *rows*, one for each id, in the place of what is there. *known* has them already: their
    versions of before, and those that came and went with these."""
    past = [{"id": row.id, "digest": digest} for row in rows for digest in known[row.id].past]
    if past:
        tx.execute(_SUPERSEDE, past)
        tx.execute(sa.delete(resources).where(resources.c.id.in_({one["id"] for one in past})))
    _insert(tx, resources, [_resource(row) for row in rows])
    _insert(tx, originals, [{"id": row.id, "content": row.content} for row in rows])
    _insert(tx, aliases, [{"key": key, "id": row.id} for row in rows for key in row.aliases])
    named = ({"id": row.id, "label": row.label} for row in rows if row.label is not None)
    _insert(tx, labels, list(named))
    _file_patients(tx, [(row.id, row.patient) for row in rows if row.patient])


def tell(tx: Connection, told: Iterable[RecordEvent]) -> None:
    """Appends events to the feed, as the last step of a transaction."""
    events.append_all(tx, [event.SerializeToString() for event in told])


def _file_patients(tx: Connection, rows: Sequence[tuple[str, PatientRow]]) -> None:
    _insert(
        tx,
        patients,
        [
            {
                "id": identity,
                "family": row.family,
                "birth_date": row.birth_date,
                "message": row.message,
            }
            for identity, row in rows
        ],
    )
    _insert(
        tx,
        patient_names,
        [{"name": name, "patient_id": identity} for identity, row in rows for name in row.names],
    )
    _insert(
        tx,
        patient_identifiers,
        [
            {"value": value, "system": system, "patient_id": identity}
            for identity, row in rows
            for value, system in row.identifiers
        ],
    )


def _insert(tx: Connection, table: sa.Table, rows: list[Columns]) -> None:
    if rows:
        tx.execute(sa.insert(table), rows)


def _resource(row: Row) -> Columns:
    updated = row.version.updated
    return {
        "id": row.id,
        "source": row.source,
        "type": row.type,
        "source_id": row.source_id,
        "digest": row.version.digest,
        "version": row.version.number,
        "last_updated": None if updated is None else _microseconds(updated),
        "patient_key": row.patient_key,
        "kind": row.kind,
        "place": _UNPLACED if row.time is None else -_microseconds(row.time),
        "part": row.part,
        "names_by": row.names_by,
        "refers_to": " ".join(row.refers_to),
    }


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def _instant(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)
