"""Who is asked to pay, known from records now or later."""

from __future__ import annotations

import grpc
import pytest

from plexus.billing.v1.claim_pb2 import Claim, ClaimState
from plexus.errors import DeadlineExceeded, Internal, PlexusError, Refused
from tests.services.billing.practice import Practice, patient_id, silence

AWAITING = ClaimState.CLAIM_STATE_AWAITING_RECORDS
READY = ClaimState.CLAIM_STATE_READY
PAYER = "Acme Health"


def _shares(claim: Claim) -> tuple[int, int]:
    return claim.insurer_share.minor_units, claim.patient_share.minor_units


def test_an_insured_patient_owes_a_fifth_and_the_insurer_the_rest(practice: Practice) -> None:
    practice.records.knows(1, payer=PAYER)
    practice.complete(1)
    practice.ask_records()
    claim = practice.claim(1)
    assert (claim.state, _shares(claim)) == (READY, (7_266, 1_816))
    assert claim.coverage.member_id == "M1"
    assert practice.balance() == (9_082, 0, 1_816, 7_266)


def test_a_patient_without_insurance_owes_all(practice: Practice) -> None:
    practice.records.knows(1)
    practice.complete(1)
    practice.ask_records()
    claim = practice.claim(1)
    assert (claim.state, _shares(claim)) == (READY, (0, 9_082))
    assert not claim.HasField("coverage")
    assert practice.balance() == (9_082, 0, 9_082, 0)


def test_a_patient_that_records_does_not_know_is_billed_all_the_same(practice: Practice) -> None:
    practice.complete(1)
    practice.ask_records()
    claim = practice.claim(1)
    assert (claim.state, _shares(claim)) == (READY, (0, 9_082))


@pytest.mark.parametrize(
    "failure",
    [
        silence(),
        DeadlineExceeded(grpc.StatusCode.DEADLINE_EXCEEDED),
        Internal(grpc.StatusCode.INTERNAL),
        Refused(grpc.StatusCode.PERMISSION_DENIED),
    ],
    ids=lambda failure: failure.reason,
)
def test_a_claim_waits_while_records_does_not_tell_and_is_ready_when_it_does(
    practice: Practice, failure: PlexusError
) -> None:
    practice.records.knows(1, payer=PAYER)
    practice.records.failure = failure
    practice.complete(1, 2)
    for _ in range(5):
        practice.ask_records()
        practice.clock.pass_by(30)
    assert [claim.state for claim in practice.claims()] == [AWAITING, AWAITING]
    assert practice.balance() == (18_164, 0, 18_164, 0)
    practice.records.failure = None
    practice.ask_records()
    assert [claim.state for claim in practice.claims()] == [READY, READY]
    assert practice.balance() == (18_164, 0, 3_632, 14_532)


def test_records_that_is_down_is_not_asked_about_every_claim(practice: Practice) -> None:
    practice.records.failure = silence()
    practice.complete(*range(1, 251))
    practice.ask_records()
    assert 1 <= len(practice.records.asked) <= 3


def test_an_outage_of_records_is_made_up_for_within_ten_seconds(practice: Practice) -> None:
    practice.records.knows(1, payer=PAYER)
    practice.records.failure = silence()
    practice.complete(*range(1, 251))
    for _ in range(100):
        practice.ask_records()
        practice.clock.pass_by(0.2)
    practice.records.failure = None
    practice.clock.pass_by(10)
    practice.ask_records()
    assert {claim.state for claim in practice.claims()} == {READY}


def test_a_patient_is_asked_about_once_a_round(practice: Practice) -> None:
    practice.records.knows(1, payer=PAYER)
    practice.records.knows(2)
    practice.complete(1, 2, 3, patient=1)
    practice.complete(4, 5, patient=2)
    practice.ask_records()
    assert sorted(practice.records.asked) == [patient_id(1)] * 2 + [patient_id(2)] * 2


def test_a_claim_that_another_replica_made_ready_is_left_alone(practice: Practice) -> None:
    practice.records.knows(1, payer=PAYER)
    practice.complete(1)
    other = Practice(practice.database)
    other.records.knows(1)
    asked_first = practice.records.ListCoverages

    def while_asking(request: object) -> object:
        other.clock.pass_by(30)
        other.ask_records()
        return asked_first(request)

    practice.records.ListCoverages = type(asked_first)(asked_first.path, while_asking)
    practice.ask_records()
    assert _shares(practice.claim(1)) == (0, 9_082)
    assert practice.balance() == (9_082, 0, 9_082, 0)
