"""Claims, and the payments for them, in and out of the database."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from plexus.billing.v1.claim_pb2 import ClaimState
from plexus.billing.v1.payment_pb2 import Payer
from services.billing.domain.claim import AWAITING, Billed, Claim
from services.billing.domain.fees import Coded, Line
from services.billing.store.moments import instant, micros
from services.billing.store.tables import claims, payments

# Statements are made once: to put one together costs more than to execute it.
_ADD = sa.insert(claims)
_ADD_PAYMENT = sa.insert(payments)
_GET = sa.select(claims).where(claims.c.id == sa.bindparam("claim_id"))
_LOCK = _GET.with_for_update()
_SAVE = (
    sa.update(claims)
    .where(claims.c.id == sa.bindparam("key"))
    .values(
        {
            name: sa.bindparam(name)
            for name in (
                "state",
                "insurer_share",
                "patient_share",
                "insurer_paid",
                "patient_paid",
                "coverage_id",
                "coverage_payer",
                "coverage_member_id",
                "update_time",
                "submit_time",
                "ask_time",
            )
        }
    )
)
_ANY_DUE = sa.select(claims.c.id).where(claims.c.ask_time <= sa.bindparam("now")).limit(1)
_BILLED = sa.select(claims.c.appointment_id).where(
    claims.c.appointment_id.in_(sa.bindparam("appointment_ids", expanding=True))
)


@dataclass(frozen=True, slots=True)
class Payment:
    """Money received for a claim, in minor units."""

    id: str
    claim_id: str
    payer: Payer.ValueType
    currency: str
    amount: int
    reference: str
    create_time: datetime


@dataclass(frozen=True, slots=True)
class Filter:
    """Which claims; empty means any."""

    patient_id: str = ""
    appointment_id: str = ""
    states: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A claim that records is to be asked about, and how often it has been."""

    claim: Claim
    asked: int


def add(tx: Connection, opened: Sequence[Claim]) -> list[Claim]:
    """Add those whose appointment has no claim yet; return them."""
    found = _billed(tx, {claim.appointment_id for claim in opened})
    new = {c.appointment_id: c for c in reversed(opened) if c.appointment_id not in found}
    if new:
        tx.execute(_ADD, [_row(claim) for claim in new.values()])
    return list(new.values())


def get(tx: Connection, claim_id: str) -> Claim | None:
    """The claim, if there is one."""
    row = tx.execute(_GET, {"claim_id": claim_id}).one_or_none()
    return _claim(row) if row else None


def lock(tx: Connection, claim_id: str) -> Claim | None:
    """The claim, if there is one; nobody else changes it until the transaction ends."""
    row = tx.execute(_LOCK, {"claim_id": claim_id}).one_or_none()
    return _claim(row) if row else None


def lock_awaiting(tx: Connection, ids: Collection[str]) -> list[Claim]:
    """Those of the claims that still await records, locked."""
    query = sa.select(claims).where(claims.c.id.in_(ids), claims.c.state == AWAITING)
    # One order for everybody, so that two transactions never wait for each other.
    rows = tx.execute(query.order_by(claims.c.id).with_for_update())
    return [_claim(row) for row in rows]


def save(tx: Connection, changed: Iterable[Claim]) -> None:
    """Write what a verb changed of claims that are locked. None of them awaits records any more."""
    rows = [{"key": claim.id, "ask_time": None, **_changeable(claim)} for claim in changed]
    if rows:
        tx.execute(_SAVE, rows)


def page(tx: Connection, wanted: Filter, size: int, before: tuple[int, str] | None) -> list[Claim]:
    """At most *size* claims, newest first, *before* the key of another."""
    query = sa.select(claims).order_by(claims.c.create_time.desc(), claims.c.id.desc())
    if wanted.patient_id:
        query = query.where(claims.c.patient_id == wanted.patient_id)
    if wanted.appointment_id:
        query = query.where(claims.c.appointment_id == wanted.appointment_id)
    if wanted.states:
        query = query.where(claims.c.state.in_(wanted.states))
    if before:
        place = sa.tuple_(sa.literal(before[0], sa.BigInteger), sa.literal(before[1]))
        query = query.where(sa.tuple_(claims.c.create_time, claims.c.id) < place)
    return [_claim(row) for row in tx.execute(query.limit(size))]


def page_key(claim: Claim) -> tuple[int, str]:
    """Where a claim stands in the order of `page`."""
    return micros(claim.create_time), claim.id


def any_due(tx: Connection, now: datetime) -> bool:
    """Whether records is to be asked about any claim by now."""
    return tx.execute(_ANY_DUE, {"now": micros(now)}).first() is not None


def due(tx: Connection, now: datetime, limit: int) -> list[Unanswered]:
    """Claims that records is to be asked about by now, the longest waiting first.

    They are locked; what another replica is at is left out.
    """
    query = sa.select(claims).where(claims.c.ask_time <= micros(now)).order_by(claims.c.ask_time)
    rows = tx.execute(query.limit(limit).with_for_update(skip_locked=True))
    return [Unanswered(_claim(row), row.asked) for row in rows]


def postpone(tx: Connection, until: Iterable[tuple[str, datetime]]) -> None:
    """Ask about each of the claims again at a time, unless it is answered before."""
    values = [{"key": claim_id, "next": micros(time)} for claim_id, time in until]
    if values:
        statement = sa.update(claims).where(claims.c.id == sa.bindparam("key"))
        asked = {"asked": claims.c.asked + 1, "ask_time": sa.bindparam("next", type_=sa.BigInteger)}
        tx.execute(statement.values(asked), values)


def add_payment(tx: Connection, payment: Payment) -> None:
    """Add a payment."""
    row = {
        "id": payment.id,
        "claim_id": payment.claim_id,
        "payer": payment.payer,
        "currency": payment.currency,
        "amount": payment.amount,
        "reference": payment.reference,
        "create_time": micros(payment.create_time),
    }
    tx.execute(_ADD_PAYMENT, row)


def _billed(tx: Connection, appointment_ids: set[str]) -> set[str]:
    return set(tx.execute(_BILLED, {"appointment_ids": list(appointment_ids)}).scalars())


def _row(claim: Claim) -> dict[str, Any]:
    return {
        "id": claim.id,
        "appointment_id": claim.appointment_id,
        "patient_id": claim.patient_id,
        "currency": claim.currency,
        "lines": [[*_coded(line.code), line.quantity, line.unit_price] for line in claim.lines],
        "diagnoses": [_coded(code) for code in claim.diagnoses],
        "total": claim.total,
        "service_date": claim.service_date,
        "create_time": micros(claim.create_time),
        "asked": 0,
        "ask_time": micros(claim.create_time),
        **_changeable(claim),
    }


def _changeable(claim: Claim) -> dict[str, Any]:
    billed = claim.coverage
    return {
        "state": claim.state,
        "insurer_share": claim.insurer_share,
        "patient_share": claim.patient_share,
        "insurer_paid": claim.insurer_paid,
        "patient_paid": claim.patient_paid,
        "coverage_id": billed.coverage_id if billed else None,
        "coverage_payer": billed.payer if billed else None,
        "coverage_member_id": billed.member_id if billed else None,
        "update_time": micros(claim.update_time),
        "submit_time": micros(claim.submit_time) if claim.submit_time else None,
    }


def _claim(row: Row[Any]) -> Claim:
    billed = Billed(row.coverage_id, row.coverage_payer, row.coverage_member_id)
    return Claim(
        id=row.id,
        appointment_id=row.appointment_id,
        patient_id=row.patient_id,
        state=ClaimState.ValueType(row.state),
        currency=row.currency,
        lines=tuple(
            Line(Coded(system, code, display), quantity, unit_price)
            for system, code, display, quantity, unit_price in row.lines
        ),
        diagnoses=tuple(Coded(*parts) for parts in row.diagnoses),
        total=row.total,
        insurer_share=row.insurer_share,
        patient_share=row.patient_share,
        service_date=row.service_date,
        create_time=instant(row.create_time),
        update_time=instant(row.update_time),
        insurer_paid=row.insurer_paid,
        patient_paid=row.patient_paid,
        coverage=billed if row.coverage_id is not None else None,
        submit_time=None if row.submit_time is None else instant(row.submit_time),
    )


def _coded(code: Coded) -> list[str]:
    return [code.system, code.code, code.display]
