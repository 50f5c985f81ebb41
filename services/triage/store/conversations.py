"""Conversations and their turns, in and out of the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from plexus.triage.v1.conversation_pb2 import Author, Speaker
from services.triage.domain import Conversation, PatientContext, Sex, from_json, to_json
from services.triage.store.tables import conversations, turns

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


# Statements are made once: to put one together costs more than to execute it.
_ADD = sa.insert(conversations)
_GET = sa.select(conversations).where(conversations.c.id == sa.bindparam("conversation_id"))
_LOCK = _GET.with_for_update()
_SAVE = (
    sa.update(conversations)
    .where(conversations.c.id == sa.bindparam("conversation_id"))
    .values(
        {
            name: sa.bindparam(name)
            for name in ("talk", "chart", "chart_time", "turns", "update_time")
        }
    )
)
_SAY = sa.insert(turns)
_SAID = (
    sa.select(turns)
    .where(turns.c.conversation_id == sa.bindparam("conversation_id"))
    .order_by(turns.c.position)
)


@dataclass(frozen=True, slots=True)
class Remembered:
    """What triage needs of a chart, and when the chart was read."""

    patient: PatientContext
    read_time: datetime


@dataclass(frozen=True, slots=True)
class Said:
    """One turn."""

    author: Author.ValueType
    text: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """A conversation. *talk* is what was understood, *turns* how many there are."""

    id: str
    patient_id: str
    speaker: Speaker.ValueType
    talk: Conversation
    chart: Remembered | None
    turns: int
    create_time: datetime
    update_time: datetime


def add(tx: Connection, kept: Kept) -> None:
    """Add a conversation."""
    begun = {
        "id": kept.id,
        "patient_id": kept.patient_id,
        "speaker": kept.speaker,
        "create_time": _micros(kept.create_time),
    }
    tx.execute(_ADD, {**begun, **_changeable(kept)})


def get(tx: Connection, conversation_id: str) -> Kept | None:
    """The conversation, if there is one."""
    row = tx.execute(_GET, {"conversation_id": conversation_id}).one_or_none()
    return _kept(row) if row else None


def lock(tx: Connection, conversation_id: str) -> Kept | None:
    """The conversation, if there is one; nobody else goes on with it until the transaction ends."""
    row = tx.execute(_LOCK, {"conversation_id": conversation_id}).one_or_none()
    return _kept(row) if row else None


def save(tx: Connection, kept: Kept) -> None:
    """Write what has changed of a conversation that is locked."""
    tx.execute(_SAVE, {"conversation_id": kept.id, **_changeable(kept)})


def say(tx: Connection, conversation_id: str, position: int, said: Iterable[Said]) -> None:
    """Add turns, the first of them at a position."""
    rows = [
        {
            "conversation_id": conversation_id,
            "position": place,
            "author": each.author,
            "text": each.text,
            "time": _micros(each.time),
        }
        for place, each in enumerate(said, position)
    ]
    tx.execute(_SAY, rows)


def said(tx: Connection, conversation_id: str) -> list[Said]:
    """The turns of a conversation, in order."""
    rows = tx.execute(_SAID, {"conversation_id": conversation_id})
    return [Said(Author.ValueType(row.author), row.text, _instant(row.time)) for row in rows]


def _changeable(kept: Kept) -> dict[str, Any]:
    chart = kept.chart
    return {
        "talk": to_json(kept.talk),
        "chart": asdict(chart.patient) if chart else sa.null(),
        "chart_time": _micros(chart.read_time) if chart else None,
        "turns": kept.turns,
        "update_time": _micros(kept.update_time),
    }


def _kept(row: Row[Any]) -> Kept:
    chart = None
    if row.chart is not None:
        chart = Remembered(_patient(row.chart), _instant(row.chart_time))
    return Kept(
        id=row.id,
        patient_id=row.patient_id,
        speaker=Speaker.ValueType(row.speaker),
        talk=from_json(row.talk),
        chart=chart,
        turns=row.turns,
        create_time=_instant(row.create_time),
        update_time=_instant(row.update_time),
    )


def _patient(stored: Mapping[str, Any]) -> PatientContext:
    return PatientContext(
        age_months=stored["age_months"],
        sex=Sex(stored["sex"]) if stored["sex"] else None,
        conditions=tuple(stored["conditions"]),
        medications=tuple(stored["medications"]),
        pregnant=stored["pregnant"],
    )


def _micros(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND


def _instant(microseconds: int) -> datetime:
    return _EPOCH + microseconds * _MICROSECOND
