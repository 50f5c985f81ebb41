"""Reading: one patient, its chart, its originals."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from services.records.store.tables import aliases, labels, originals, patients, resources

_MOST: Final = 500  # values in one statement


class Part(NamedTuple):
    """A resource's part of the chart, and the key of what it lacks a name from."""

    message: bytes
    names_by: str | None


class Original(NamedTuple):
    """A resource as it was received."""

    type: str
    source: str
    source_id: str
    content: bytes


class Extent(NamedTuple):
    """A resource of a record and the keys of what it refers to."""

    id: str
    refers_to: tuple[str, ...]


_other: Final = aliases.alias()
_own_keys: Final = sa.select(aliases.c.key).where(
    aliases.c.id == sa.bindparam("patient_id"),
    # A key that leads to two patients leads to none: better a gap than another person's facts.
    ~sa.exists().where(_other.c.key == aliases.c.key, _other.c.id != aliases.c.id),
)
_patient: Final = sa.select(patients.c.message).where(patients.c.id == sa.bindparam("patient_id"))
_parts: Final = (
    sa.select(resources.c.part, resources.c.names_by)
    .where(resources.c.patient_key.in_(_own_keys), resources.c.kind != 0)
    .order_by(resources.c.kind, resources.c.place, resources.c.id)
)
_parts_of_kind: Final = (
    sa.select(resources.c.part, resources.c.names_by)
    .where(resources.c.patient_key.in_(_own_keys), resources.c.kind == sa.bindparam("kind"))
    .order_by(resources.c.place, resources.c.id)
)
_extent: Final = (
    sa.select(resources.c.id, resources.c.refers_to)
    .where(resources.c.patient_key.in_(_own_keys))
    .order_by(
        resources.c.id != sa.bindparam("patient_id"),
        resources.c.type,
        resources.c.place,
        resources.c.id,
    )
)


def patient(tx: Connection, patient_id: str) -> bytes | None:
    """The patient's message; None if there is no such patient."""
    found: bytes | None = tx.execute(_patient, {"patient_id": patient_id}).scalar()
    return found


def parts(tx: Connection, patient_id: str, kind: int = 0) -> list[Part]:
    """Everything the chart holds, or one kind of it; each kind newest first."""
    query = _parts_of_kind if kind else _parts
    values = {"patient_id": patient_id, "kind": kind} if kind else {"patient_id": patient_id}
    return [Part(message, names_by) for message, names_by in tx.execute(query, values)]


def labels_of(tx: Connection, keys: Iterable[str]) -> dict[str, bytes]:
    """What the resources that *keys* lead to are called, by key; a key of two resources by none."""
    found: dict[str, bytes] = {}
    doubtful: set[str] = set()
    for some in _portions(sorted(set(keys))):
        query = sa.select(aliases.c.key, labels.c.label).join(labels, labels.c.id == aliases.c.id)
        for key, label in tx.execute(query.where(aliases.c.key.in_(some))):
            doubtful |= {key} & found.keys()
            found[key] = label
    return {key: label for key, label in found.items() if key not in doubtful}


def extent(tx: Connection, patient_id: str) -> list[Extent]:
    """The patient's resources, the Patient first, with what they refer to."""
    return [
        Extent(identity, tuple(refers_to.split()))
        for identity, refers_to in tx.execute(_extent, {"patient_id": patient_id})
    ]


def shared(tx: Connection, keys: Iterable[str]) -> list[Extent]:
    """The resources of nobody, such as organizations, that *keys* lead to."""
    found: dict[str, Extent] = {}
    for some in _portions(sorted(set(keys))):
        query = (
            sa.select(resources.c.id, resources.c.refers_to)
            .join(aliases, aliases.c.id == resources.c.id)
            .where(aliases.c.key.in_(some), resources.c.patient_key.is_(None))
            .order_by(resources.c.type, resources.c.id)
        )
        for identity, refers_to in tx.execute(query):
            found[identity] = Extent(identity, tuple(refers_to.split()))
    return list(found.values())


def originals_of(tx: Connection, ids: Sequence[str]) -> list[Original]:
    """The originals of *ids*, in that order; without those that are gone."""
    columns = resources.c.id, resources.c.type, resources.c.source, resources.c.source_id
    query = (
        sa.select(*columns, originals.c.content)
        .join(originals, originals.c.id == resources.c.id)
        .where(resources.c.id.in_(list(ids)))
    )
    found = {
        identity: Original(kind, source, source_id, zlib.decompress(content))
        for identity, kind, source, source_id, content in tx.execute(query)
    }
    return [found[identity] for identity in ids if identity in found]


def patients_of_keys(tx: Connection, keys: Iterable[str]) -> dict[str, str]:
    """The ids of the patients that aliases lead to, by alias; a key of two patients to none."""
    found: dict[str, str] = {}
    doubtful: set[str] = set()
    for some in _portions(sorted(set(keys))):
        query = sa.select(aliases.c.key, aliases.c.id).join(patients, patients.c.id == aliases.c.id)
        for key, patient_id in tx.execute(query.where(aliases.c.key.in_(some))):
            doubtful |= {key} & found.keys()
            found[key] = patient_id
    return {key: patient_id for key, patient_id in found.items() if key not in doubtful}


def _portions(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _MOST):
        yield values[start : start + _MOST]
