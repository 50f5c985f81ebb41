"""What a claim allows, and that no sequence of events can unbalance the ledger."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from plexus.billing.v1.ledger_entry_pb2 import EntryKind
from plexus.billing.v1.payment_pb2 import Payer
from plexus.errors import Fault
from services.billing.domain import ledger
from services.billing.domain.claim import (
    AWAITING,
    PAID,
    READY,
    SUBMITTED,
    Care,
    Claim,
    opened,
    pay,
    settle,
    submit,
)
from services.billing.domain.coverage import Coverage
from services.billing.domain.fees import Coded, Line

NOW = datetime(2025, 3, 4, tzinfo=UTC)
PATIENT, INSURER = Payer.PAYER_PATIENT, Payer.PAYER_INSURER
PLAN = Coverage("cov_00000001", "active", "Acme Health", "M1")


def _opened(price: int = 10_000, number: int = 1) -> Claim:
    care = Care("USD", (Line(Coded("", "99213"), 1, price),), ())
    return opened(f"clm_{number}", f"app_{number}", "pat_1", care, date(2025, 3, 4), NOW)


def _in(state: int) -> Claim:
    """A claim over 10,000 in *state*: the insurer is asked for 8,000, the patient for 2,000."""
    claim = _opened()
    if state == AWAITING:
        return claim
    claim = settle(claim, PLAN, NOW)
    if state == READY:
        return claim
    claim = submit(claim, NOW)
    if state == SUBMITTED:
        return claim
    return pay(pay(claim, INSURER, 8_000, "USD", NOW), PATIENT, 2_000, "USD", NOW)


def test_a_claim_goes_from_awaiting_records_to_paid() -> None:
    states = [_in(state).state for state in (AWAITING, READY, SUBMITTED, PAID)]
    assert states == [AWAITING, READY, SUBMITTED, PAID]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (AWAITING, "CLAIM_NOT_READY"),
        (SUBMITTED, "CLAIM_ALREADY_SUBMITTED"),
        (PAID, "CLAIM_ALREADY_SUBMITTED"),
    ],
)
def test_only_a_ready_claim_can_be_submitted(state: int, reason: str) -> None:
    with pytest.raises(Fault, match=reason):
        submit(_in(state), NOW)


@pytest.mark.parametrize(
    ("state", "payer", "amount", "currency", "reason"),
    [
        (SUBMITTED, PATIENT, 0, "USD", "PAYMENT_NOT_POSITIVE"),
        (SUBMITTED, PATIENT, -1, "USD", "PAYMENT_NOT_POSITIVE"),
        (PAID, PATIENT, -1, "EUR", "PAYMENT_NOT_POSITIVE"),
        (SUBMITTED, PATIENT, 1, "EUR", "CURRENCY_MISMATCH"),
        (AWAITING, PATIENT, 1, "USD", "CLAIM_NOT_SUBMITTED"),
        (READY, PATIENT, 1, "USD", "CLAIM_NOT_SUBMITTED"),
        (PAID, PATIENT, 1, "USD", "CLAIM_ALREADY_PAID"),
        (SUBMITTED, PATIENT, 2_001, "USD", "PAYMENT_EXCEEDS_DEBT"),
        (SUBMITTED, INSURER, 8_001, "USD", "PAYMENT_EXCEEDS_DEBT"),
        (SUBMITTED, INSURER, 2**63 - 1, "USD", "PAYMENT_EXCEEDS_DEBT"),
    ],
)
def test_a_payment_that_does_not_fit_is_refused_with_its_reason(
    state: int, payer: Payer.ValueType, amount: int, currency: str, reason: str
) -> None:
    with pytest.raises(Fault, match=reason):
        pay(_in(state), payer, amount, currency, NOW)


def test_a_payer_cannot_pay_what_the_other_owes() -> None:
    claim = pay(_in(SUBMITTED), PATIENT, 2_000, "USD", NOW)
    assert claim.state == SUBMITTED
    with pytest.raises(Fault, match="PAYMENT_EXCEEDS_DEBT"):
        pay(claim, PATIENT, 1, "USD", NOW)


def test_a_claim_without_insurance_is_paid_by_the_patient_alone() -> None:
    claim = submit(settle(_opened(), None, NOW), NOW)
    with pytest.raises(Fault, match="PAYMENT_EXCEEDS_DEBT"):
        pay(claim, INSURER, 1, "USD", NOW)
    assert pay(claim, PATIENT, 10_000, "USD", NOW).state == PAID


def test_a_transaction_that_does_not_sum_to_zero_cannot_be_made() -> None:
    good = ledger.charge(100)
    with pytest.raises(ledger.UnbalancedError):
        replace(good, postings=good.postings[:1])
    with pytest.raises(ledger.UnbalancedError):
        ledger.Transaction(
            EntryKind.ENTRY_KIND_PAYMENT,
            (ledger.Posting(ledger.CASH, 100), ledger.Posting(ledger.PATIENT, -99)),
        )


class _Books:
    """Claims and a ledger, to which random things happen, some of them absurd."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.claims: list[Claim] = []
        self.sums: Counter[int] = Counter()
        self.refused = 0

    def happen(self) -> None:
        """One random event."""
        if not self.claims or self.random.random() < 0.15:
            claim = _opened(self.random.randint(1, 50_000), len(self.claims))
            self.claims.append(claim)
            self._enter(ledger.charge(claim.total))
            return
        place = self.random.randrange(len(self.claims))
        try:
            self.claims[place] = self._change(self.claims[place])
        except Fault:
            self.refused += 1

    def _change(self, claim: Claim) -> Claim:
        match self.random.randrange(4):
            case 0 if claim.state == AWAITING:
                changed = settle(claim, self.random.choice((PLAN, None)), NOW)
                if changed.insurer_share:
                    self._enter(ledger.transfer(changed.insurer_share))
                return changed
            case 1:
                return submit(claim, NOW)
            case _:
                payer = self.random.choice((PATIENT, INSURER))
                most = self.random.choice((claim.debt(payer), claim.total))
                amount = self.random.randint(-5, most + 1) if most else 1
                changed = pay(claim, payer, self.random.choice((amount, most)), "USD", NOW)
                self._enter(ledger.payment(payer, changed.paid - claim.paid))
                return changed

    def _enter(self, transaction: ledger.Transaction) -> None:
        for posting in transaction.postings:
            self.sums[posting.account] += posting.amount


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_the_ledger_sums_to_zero_and_says_what_the_claims_say(seed: int) -> None:
    books = _Books(seed)
    for _ in range(400):
        books.happen()
        assert sum(books.sums.values()) == 0
    said = ledger.balance(books.sums)
    assert said.charged == sum(claim.total for claim in books.claims)
    assert said.paid == sum(claim.paid for claim in books.claims)
    assert said.patient_owes == sum(claim.debt(PATIENT) for claim in books.claims)
    assert said.insurer_owes == sum(claim.debt(INSURER) for claim in books.claims)
    assert said.patient_owes + said.insurer_owes == said.charged - said.paid
    for claim in books.claims:
        assert claim.debt(PATIENT) >= 0
        assert claim.debt(INSURER) >= 0
        assert (claim.state == PAID) == (claim.paid == claim.total)
    # The run went through every verb and through refusals.
    assert books.refused
    assert {PAID, SUBMITTED} <= {claim.state for claim in books.claims}
