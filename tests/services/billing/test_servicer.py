"""Billing as a caller sees it, through the server stack."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from mesh.host import Parts
from mesh.persistence import Database
from plexus.billing.v1 import billing_service_pb2 as api
from plexus.billing.v1.claim_pb2 import Claim, ClaimState
from plexus.billing.v1.ledger_entry_pb2 import Account
from plexus.billing.v1.payment_pb2 import Payer
from plexus.client import channel
from plexus.contract import TELLING, load
from plexus.errors import Conflict, Invalid, NotFound, PlexusError, Unmet
from services.billing.service import build
from tests.services.billing.practice import Practice, appointment_id, patient_id

PATIENT, INSURER = Payer.PAYER_PATIENT, Payer.PAYER_INSURER
NOBODYS = Claim(id="clm_nobodysclaim")


@pytest.fixture
def insured(practice: Practice) -> Practice:
    """Patient 1 is insured; appointment 1 cost 10,000 and is submitted."""
    practice.records.knows(1, payer="Acme Health")
    practice.complete(1, codes=["unlisted"])
    practice.ask_records()
    practice.submit(practice.claim(1))
    return practice


def test_a_claim_says_what_was_done_what_it_costs_and_who_is_asked(insured: Practice) -> None:
    claim = insured.call("GetClaim", api.GetClaimRequest(claim_id=insured.claim(1).id)).claim
    assert claim.state == ClaimState.CLAIM_STATE_SUBMITTED
    assert (claim.appointment_id, claim.patient_id) == (appointment_id(1), patient_id(1))
    assert [(line.code.code, line.amount.minor_units) for line in claim.lines] == [
        ("unlisted", 10_000)
    ]
    assert (claim.insurer_share.minor_units, claim.patient_share.minor_units) == (8_000, 2_000)
    assert (claim.coverage.coverage_id, claim.total.currency) == ("cov_00000001", "USD")
    assert (claim.service_date.year, claim.service_date.month, claim.service_date.day) == (
        2025,
        3,
        4,
    )
    assert claim.HasField("submit_time")


def test_a_claim_is_paid_when_insurer_and_patient_have_paid_their_shares(
    insured: Practice,
) -> None:
    claim = insured.claim(1)
    assert insured.balance() == (10_000, 0, 2_000, 8_000)
    assert insured.pay(claim, INSURER, 8_000).claim.state == ClaimState.CLAIM_STATE_SUBMITTED
    last = insured.pay(claim, PATIENT, 2_000)
    assert last.claim.state == ClaimState.CLAIM_STATE_PAID
    assert (last.payment.claim_id, last.payment.amount.minor_units) == (claim.id, 2_000)
    assert insured.balance() == (10_000, 10_000, 0, 0)


REFUSED: dict[str, tuple[type[PlexusError], Callable[[Practice], Any]]] = {
    "CLAIM_NOT_FOUND": (NotFound, lambda p: p.submit(NOBODYS)),
    "CLAIM_NOT_READY": (Unmet, lambda p: p.submit(p.claim(2))),
    "CLAIM_ALREADY_SUBMITTED": (Unmet, lambda p: p.submit(p.claim(1))),
    "CLAIM_NOT_SUBMITTED": (Unmet, lambda p: p.pay(p.claim(2), PATIENT, 1)),
    "PAYMENT_NOT_POSITIVE": (Invalid, lambda p: p.pay(p.claim(1), PATIENT, -1)),
    "PAYMENT_EXCEEDS_DEBT": (Unmet, lambda p: p.pay(p.claim(1), PATIENT, 2_001)),
    "CURRENCY_MISMATCH": (Invalid, lambda p: p.pay(p.claim(1), PATIENT, 1, currency="EUR")),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_cannot_be_done_is_refused_with_its_reason_and_changes_nothing(
    insured: Practice, reason: str
) -> None:
    insured.complete(2)
    kind, attempt = REFUSED[reason]
    before = (insured.claims(), insured.entries())
    with pytest.raises(kind) as refusal:
        attempt(insured)
    assert (refusal.value.reason, refusal.value.domain) == (reason, "billing.plexus")
    assert (insured.claims(), insured.entries()) == before


def test_a_paid_claim_takes_no_more_payments(insured: Practice) -> None:
    claim = insured.claim(1)
    insured.pay(claim, INSURER, 8_000)
    insured.pay(claim, PATIENT, 2_000)
    with pytest.raises(Unmet) as refusal:
        insured.pay(claim, PATIENT, 1)
    assert refusal.value.reason == "CLAIM_ALREADY_PAID"


def test_a_payment_sent_a_hundred_times_is_entered_once(insured: Practice) -> None:
    claim = insured.claim(1)

    def send(_: int) -> str:
        return insured.pay(claim, PATIENT, 500, request_id="the-same").payment.id

    with ThreadPoolExecutor(10) as threads:
        assert len(set(threads.map(send, range(100)))) == 1
    assert insured.balance() == (10_000, 500, 1_500, 8_000)


def test_a_submission_sent_again_gets_the_first_answer(practice: Practice) -> None:
    practice.complete(1)
    practice.ask_records()
    claim = practice.claim(1)
    first = practice.submit(claim, request_id="the-same")
    practice.clock.pass_by(60)
    assert practice.submit(claim, request_id="the-same") == first


def test_a_request_id_is_not_used_for_another_payment(insured: Practice) -> None:
    claim = insured.claim(1)
    insured.pay(claim, PATIENT, 500, request_id="the-same")
    with pytest.raises(Conflict) as refusal:
        insured.pay(claim, PATIENT, 501, request_id="the-same")
    assert refusal.value.reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize("payer", [Payer.PAYER_UNSPECIFIED, 7])
def test_money_from_nobody_is_refused(insured: Practice, payer: int) -> None:
    with pytest.raises(Invalid) as refusal:
        insured.pay(insured.claim(1), payer, 1)
    assert [violation.field for violation in refusal.value.violations] == ["payer"]


def test_claims_come_newest_first_and_each_once_however_they_are_paged(
    practice: Practice,
) -> None:
    practice.complete(1, 2, 3)
    practice.clock.pass_by(1)
    practice.complete(4, 5, patient=2)
    expected = [claim.id for claim in practice.claims()]
    assert {claim.appointment_id for claim in practice.claims()[:2]} == {
        appointment_id(4),
        appointment_id(5),
    }
    token, paged = "", []
    while True:
        request = api.ListClaimsRequest(page_size=2, page_token=token)
        page = practice.call("ListClaims", request)
        paged += [claim.id for claim in page.claims]
        token = page.next_page_token
        if not token:
            break
    assert paged == expected
    assert len(set(paged)) == 5


def test_claims_are_found_by_patient_appointment_and_state(practice: Practice) -> None:
    practice.complete(1, 2, patient=1)
    practice.ask_records()
    practice.complete(3, patient=2)
    ready, awaiting = ClaimState.CLAIM_STATE_READY, ClaimState.CLAIM_STATE_AWAITING_RECORDS
    found = [
        practice.claims(patient_id=patient_id(1)),
        practice.claims(appointment_id=appointment_id(3)),
        practice.claims(states=[awaiting]),
        practice.claims(states=[ready, awaiting]),
        practice.claims(patient_id=patient_id(1), states=[awaiting]),
    ]
    assert [len(claims) for claims in found] == [2, 1, 1, 3, 0]


def test_the_ledger_is_read_in_its_order_by_claim_and_by_account(insured: Practice) -> None:
    insured.complete(2)
    entries = insured.entries()
    request = api.ListLedgerEntriesRequest(page_size=4)
    first = insured.call("ListLedgerEntries", request)
    request.page_token = first.next_page_token
    second = insured.call("ListLedgerEntries", request)
    assert [*first.entries, *second.entries] == entries
    assert not second.next_page_token
    one = insured.entries(claim_id=insured.claim(2).id)
    assert one == entries[4:]
    revenue = insured.entries(account=Account.ACCOUNT_REVENUE)
    assert [entry.amount.minor_units for entry in revenue] == [-10_000, -9_082]


@pytest.mark.parametrize(
    ("method", "request_type"),
    [
        ("ListClaims", api.ListClaimsRequest),
        ("ListLedgerEntries", api.ListLedgerEntriesRequest),
    ],
)
def test_a_page_token_of_nobody_is_refused(
    practice: Practice, method: str, request_type: Callable[..., Any]
) -> None:
    with pytest.raises(Invalid) as refusal:
        practice.call(method, request_type(page_token="bm90IGEgdG9rZW4"))
    assert refusal.value.reason == "PAGE_TOKEN_INVALID"


def test_a_patient_without_claims_owes_nothing(practice: Practice) -> None:
    balance = practice.call("GetBalance", api.GetBalanceRequest(patient_id=patient_id(9)))
    assert practice.balance(9) == (0, 0, 0, 0)
    assert balance.charged.currency == "USD"


@pytest.mark.parametrize("seed", range(2))
def test_whatever_callers_do_balances_are_claims_minus_payments(
    practice: Practice, seed: int
) -> None:
    chance = random.Random(seed)
    practice.records.knows(1, payer="Acme Health")
    practice.records.knows(2)
    domains: set[str] = set()
    for step in range(60):
        patient = chance.randint(1, 2)
        known = practice.claims(patient_id=patient_id(patient))
        try:
            match chance.randrange(5) if known else 0:
                case 0:
                    practice.complete(step // 2, patient=patient)
                case 1:
                    practice.ask_records()
                case 2:
                    practice.submit(chance.choice(known))
                case _:
                    payer = chance.choice((PATIENT, INSURER))
                    practice.pay(chance.choice(known), payer, chance.randint(-100, 9_082))
        except PlexusError as refusal:
            domains.add(refusal.domain)
    assert domains == {"billing.plexus"}
    assert sum(entry.amount.minor_units for entry in practice.entries()) == 0
    for patient in (1, 2):
        claims = practice.claims(patient_id=patient_id(patient))
        total = sum(claim.total.minor_units for claim in claims)
        paid = sum(claim.paid.minor_units for claim in claims)
        charged, received, by_patient, by_insurer = practice.balance(patient)
        assert (charged, received) == (total, paid)
        assert by_patient + by_insurer == total - paid
        assert min(by_patient, by_insurer) >= 0


def test_the_service_is_built_with_the_tasks_its_contract_states(database: Database) -> None:
    with ExitStack() as opened:
        channels = {name: channel("localhost:1") for name in ("records", "scheduling")}
        for each in channels.values():
            opened.enter_context(each)
        built = build(Parts("billing", database, channels=channels))
    (stated,) = load().workloads["billing"]
    assert [task.name for task in built.tasks] == [
        task.name for task in stated.tasks if task.name != TELLING
    ]
