"""Between the words of the contracts and those of the rules."""

from __future__ import annotations

from datetime import UTC, date, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from mesh.persistence import derived_id
from plexus.billing.v1 import claim_pb2, ledger_entry_pb2, payment_pb2
from plexus.billing.v1.billing_service_pb2 import GetBalanceResponse
from plexus.records.v1 import coverage_pb2
from plexus.scheduling.v1.appointment_event_pb2 import AppointmentEvent
from plexus.type.v1.code_pb2 import Code
from plexus.type.v1.date_pb2 import Date
from plexus.type.v1.money_pb2 import Money
from services.billing.domain.claim import Care, Claim, opened
from services.billing.domain.coverage import Coverage, Day
from services.billing.domain.fees import Coded, FeeSchedule, Line, Performed
from services.billing.domain.ledger import Balance
from services.billing.store.claims import Payment
from services.billing.store.ledger import Entry


def claim_of(event: AppointmentEvent, schedule: FeeSchedule, now: datetime) -> Claim:
    """The claim for an appointment that was completed. Its id follows from the appointment's."""
    appointment = event.appointment
    performed = [Performed(_coded(s.code), s.quantity) for s in appointment.services]
    began = appointment.start_time if appointment.HasField("start_time") else event.time
    return opened(
        claim_id=derived_id("clm", appointment.id),
        appointment_id=appointment.id,
        patient_id=appointment.patient_id,
        care=Care(
            schedule.currency,
            schedule.price(appointment.appointment_type_code, performed),
            tuple(_coded(code) for code in appointment.diagnoses),
        ),
        service_date=began.ToDatetime(UTC).date(),
        now=now,
    )


def coverage_of(coverage: coverage_pb2.Coverage) -> Coverage:
    """A coverage as records tells it."""
    return Coverage(
        coverage_id=coverage.id,
        status=coverage.status,
        payer=coverage.payer,
        member_id=coverage.member_id,
        start=_day(coverage.start_date) if coverage.HasField("start_date") else None,
        end=_day(coverage.end_date) if coverage.HasField("end_date") else None,
    )


def claim_message(claim: Claim) -> claim_pb2.Claim:
    """A claim for the wire."""
    message = claim_pb2.Claim(
        id=claim.id,
        appointment_id=claim.appointment_id,
        patient_id=claim.patient_id,
        state=claim.state,
        lines=[_line(line, claim.currency) for line in claim.lines],
        diagnoses=[_code(code) for code in claim.diagnoses],
        total=_money(claim.total, claim.currency),
        insurer_share=_money(claim.insurer_share, claim.currency),
        patient_share=_money(claim.patient_share, claim.currency),
        paid=_money(claim.paid, claim.currency),
        service_date=date_message(claim.service_date),
        create_time=_timestamp(claim.create_time),
        update_time=_timestamp(claim.update_time),
    )
    if claim.coverage:
        message.coverage.coverage_id = claim.coverage.coverage_id
        message.coverage.payer = claim.coverage.payer
        message.coverage.member_id = claim.coverage.member_id
    if claim.submit_time:
        message.submit_time.FromDatetime(claim.submit_time)
    return message


def payment_message(payment: Payment) -> payment_pb2.Payment:
    """A payment for the wire."""
    return payment_pb2.Payment(
        id=payment.id,
        claim_id=payment.claim_id,
        payer=payment.payer,
        amount=_money(payment.amount, payment.currency),
        reference=payment.reference,
        create_time=_timestamp(payment.create_time),
    )


def entry_message(entry: Entry) -> ledger_entry_pb2.LedgerEntry:
    """A ledger entry for the wire."""
    return ledger_entry_pb2.LedgerEntry(
        id=entry.id,
        transaction_id=entry.transaction_id,
        account=ledger_entry_pb2.Account.ValueType(entry.account),
        amount=_money(entry.amount, entry.currency),
        claim_id=entry.claim_id,
        patient_id=entry.patient_id,
        time=_timestamp(entry.time),
        kind=ledger_entry_pb2.EntryKind.ValueType(entry.kind),
    )


def balance_message(balance: Balance, currency: str) -> GetBalanceResponse:
    """A balance for the wire."""
    return GetBalanceResponse(
        charged=_money(balance.charged, currency),
        paid=_money(balance.paid, currency),
        patient_owes=_money(balance.patient_owes, currency),
        insurer_owes=_money(balance.insurer_owes, currency),
    )


def date_message(day: date) -> Date:
    """A whole date for the wire."""
    return Date(year=day.year, month=day.month, day=day.day)


def _line(line: Line, currency: str) -> claim_pb2.ClaimLine:
    return claim_pb2.ClaimLine(
        code=_code(line.code),
        quantity=line.quantity,
        unit_price=_money(line.unit_price, currency),
        amount=_money(line.amount, currency),
    )


def _code(code: Coded) -> Code:
    return Code(system=code.system, code=code.code, display=code.display)


def _coded(code: Code) -> Coded:
    return Coded(code.system, code.code, code.display)


def _day(day: Date) -> Day:
    return day.year, day.month, day.day


def _money(minor_units: int, currency: str) -> Money:
    return Money(currency=currency, minor_units=minor_units)


def _timestamp(time: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(time)
    return timestamp
