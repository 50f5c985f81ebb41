"""What a claim allows.

AWAITING_RECORDS --settle--> READY --submit--> SUBMITTED --pay what is left--> PAID
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from plexus.billing.v1.claim_pb2 import ClaimState
from plexus.billing.v1.errors_pb2 import BillingError
from plexus.billing.v1.payment_pb2 import Payer
from plexus.errors import Fault
from services.billing.domain.coverage import Coverage, split
from services.billing.domain.fees import Coded, Line

AWAITING = ClaimState.CLAIM_STATE_AWAITING_RECORDS
READY = ClaimState.CLAIM_STATE_READY
SUBMITTED = ClaimState.CLAIM_STATE_SUBMITTED
PAID = ClaimState.CLAIM_STATE_PAID


@dataclass(frozen=True, slots=True)
class Billed:
    """The insurance a claim is billed to."""

    coverage_id: str
    payer: str
    member_id: str


@dataclass(frozen=True, slots=True)
class Care:
    """What was done at an appointment, priced in minor units of *currency*, and what was found."""

    currency: str
    lines: tuple[Line, ...]
    diagnoses: tuple[Coded, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """What is asked for the care of one appointment. Amounts are in minor units of *currency*."""

    id: str
    appointment_id: str
    patient_id: str
    state: ClaimState.ValueType
    currency: str
    lines: tuple[Line, ...]
    diagnoses: tuple[Coded, ...]
    total: int
    insurer_share: int
    patient_share: int
    service_date: date
    create_time: datetime
    update_time: datetime
    insurer_paid: int = 0
    patient_paid: int = 0
    coverage: Billed | None = None
    submit_time: datetime | None = None

    @property
    def paid(self) -> int:
        """What has been paid, by whomever."""
        return self.insurer_paid + self.patient_paid

    def debt(self, payer: Payer.ValueType) -> int:
        """What *payer* still owes."""
        if payer == Payer.PAYER_INSURER:
            return self.insurer_share - self.insurer_paid
        return self.patient_share - self.patient_paid


def opened(
    claim_id: str,
    appointment_id: str,
    patient_id: str,
    care: Care,
    service_date: date,
    now: datetime,
) -> Claim:
    """The claim for a completed appointment: the patient is asked for all until records answers."""
    total = sum(line.amount for line in care.lines)
    return Claim(
        id=claim_id,
        appointment_id=appointment_id,
        patient_id=patient_id,
        state=AWAITING,
        currency=care.currency,
        lines=care.lines,
        diagnoses=care.diagnoses,
        total=total,
        insurer_share=0,
        patient_share=total,
        service_date=service_date,
        create_time=now,
        update_time=now,
    )


def settle(claim: Claim, coverage: Coverage | None, now: datetime) -> Claim:
    """The claim, ready, with the insurance it is billed to or with none."""
    insurer, patient = split(claim.total, insured=coverage is not None)
    billed = Billed(coverage.coverage_id, coverage.payer, coverage.member_id) if coverage else None
    return replace(
        claim,
        state=READY,
        coverage=billed,
        insurer_share=insurer,
        patient_share=patient,
        update_time=now,
    )


def submit(claim: Claim, now: datetime) -> Claim:
    """The claim, submitted; CLAIM_NOT_READY or CLAIM_ALREADY_SUBMITTED."""
    if claim.state == AWAITING:
        raise Fault(BillingError, BillingError.BILLING_ERROR_CLAIM_NOT_READY, claim_id=claim.id)
    if claim.state != READY:
        raise Fault(
            BillingError, BillingError.BILLING_ERROR_CLAIM_ALREADY_SUBMITTED, claim_id=claim.id
        )
    return replace(claim, state=SUBMITTED, submit_time=now, update_time=now)


def pay(claim: Claim, payer: Payer.ValueType, amount: int, currency: str, now: datetime) -> Claim:
    """The claim after *payer* paid *amount* minor units; PAID when nothing is left.

    Refusals, in this order: PAYMENT_NOT_POSITIVE, CURRENCY_MISMATCH, CLAIM_NOT_SUBMITTED,
    CLAIM_ALREADY_PAID, and PAYMENT_EXCEEDS_DEBT when this payer owes less.
    """
    _check_payment(claim, amount, currency)
    if amount > claim.debt(payer):
        raise Fault(
            BillingError, BillingError.BILLING_ERROR_PAYMENT_EXCEEDS_DEBT, claim_id=claim.id
        )
    insurer = amount if payer == Payer.PAYER_INSURER else 0
    return replace(
        claim,
        state=PAID if claim.paid + amount == claim.total else SUBMITTED,
        insurer_paid=claim.insurer_paid + insurer,
        patient_paid=claim.patient_paid + amount - insurer,
        update_time=now,
    )


def _check_payment(claim: Claim, amount: int, currency: str) -> None:
    if amount <= 0:
        raise Fault(BillingError, BillingError.BILLING_ERROR_PAYMENT_NOT_POSITIVE)
    if currency != claim.currency:
        raise Fault(
            BillingError, BillingError.BILLING_ERROR_CURRENCY_MISMATCH, currency=claim.currency
        )
    if claim.state in (AWAITING, READY):
        raise Fault(BillingError, BillingError.BILLING_ERROR_CLAIM_NOT_SUBMITTED, claim_id=claim.id)
    if claim.state == PAID:
        raise Fault(BillingError, BillingError.BILLING_ERROR_CLAIM_ALREADY_PAID, claim_id=claim.id)
