"""Searching for patients."""

from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from mesh.persistence.pages import Key, after
from services.records.domain.names import after_all
from services.records.store.tables import patient_identifiers, patient_names, patients


@dataclass(frozen=True, slots=True)
class Criteria:
    """What must fit, each only where it is not empty: the folded beginning of a name, the beginning
    of a birth date as YYYY-MM-DD, an identifier and its system."""

    name: str = ""
    birth_date: str = ""
    identifier: str = ""
    identifier_system: str = ""

    def __bool__(self) -> bool:
        return bool(self.name or self.birth_date or self.identifier)


class Found(NamedTuple):
    """A patient that fits."""

    id: str
    message: bytes


def search(tx: Connection, criteria: Criteria, limit: int, last: Key | None) -> list[Found]:
    """At most *limit* patients by family name, then id, those after the patient *last*."""
    query = sa.select(patients.c.id, patients.c.message).where(*_conditions(criteria))
    if last is not None:
        query = query.where(after((patients.c.family, patients.c.id), patients.c.id, last))
    query = query.order_by(patients.c.family, patients.c.id).limit(limit)
    return [Found(identity, message) for identity, message in tx.execute(query)]


def _conditions(criteria: Criteria) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if criteria.name:
        names = sa.select(patient_names.c.patient_id)
        conditions.append(
            patients.c.id.in_(names.where(_begins(patient_names.c.name, criteria.name)))
        )
    if criteria.birth_date:
        conditions.append(_begins(patients.c.birth_date, criteria.birth_date))
    if criteria.identifier:
        table = patient_identifiers.c
        holders = sa.select(table.patient_id).where(table.value == criteria.identifier)
        if criteria.identifier_system:
            holders = holders.where(table.system == criteria.identifier_system)
        conditions.append(patients.c.id.in_(holders))
    return conditions


def _begins(column: sa.Column[str], prefix: str) -> sa.ColumnElement[bool]:
    return sa.and_(column >= prefix, column < after_all(prefix))
