"""What virtual patients do when they are served, and when they are not. Stubs are written by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from demo.journeys import Journeys, Stubs
from demo.load import Load
from demo.observations import Observations
from demo.promises import Journey, Phase, Tally
from plexus.billing.v1 import billing_service_pb2 as billing
from plexus.billing.v1.claim_pb2 import CLAIM_STATE_READY, Claim
from plexus.errors import Fault, PlexusError, from_fault
from plexus.scheduling.v1 import scheduling_service_pb2 as scheduling
from plexus.scheduling.v1.errors_pb2 import SCHEDULING_ERROR_SLOT_TAKEN, SchedulingError
from plexus.scheduling.v1.slot_pb2 import Slot
from plexus.triage.v1 import triage_service_pb2 as triage
from plexus.triage.v1.assessment_pb2 import URGENCY_IMMEDIATE, URGENCY_ROUTINE

DOWN = PlexusError(grpc.StatusCode.UNAVAILABLE)
TAKEN = from_fault(Fault(SchedulingError, SCHEDULING_ERROR_SLOT_TAKEN, practitioner_id="pra_a"))


class Town:
    """Three services that answer from memory; `fail` holds what a method raises instead, in turn."""

    def __init__(self) -> None:
        self.fail: dict[str, list[PlexusError]] = {}
        self.urgency = URGENCY_ROUTINE
        self.asked: Counter[str] = Counter()
        self.requests: list[Any] = []

    def __getattr__(self, method: str) -> Callable[[Any], Any]:
        def call(request: Any) -> Any:
            self.asked[method] += 1
            self.requests.append(request)
            if self.fail.get(method):
                raise self.fail[method].pop(0)
            return getattr(self, f"_{method}")(request)

        return call

    def _StartConversation(self, request: Any) -> triage.StartConversationResponse:
        made = triage.StartConversationResponse()
        made.conversation.id = "cnv_one"
        return made

    def _SendMessage(self, request: Any) -> triage.SendMessageResponse:
        answer = triage.SendMessageResponse(slots=[Slot(practitioner_id="pra_a")])
        answer.assessment.urgency = self.urgency
        return answer

    def _FindSlots(self, request: Any) -> scheduling.FindSlotsResponse:
        return scheduling.FindSlotsResponse(slots=[Slot(practitioner_id="pra_b")])

    def _BookAppointment(self, request: Any) -> scheduling.BookAppointmentResponse:
        made = scheduling.BookAppointmentResponse()
        made.appointment.id = "app_one"
        return made

    def _CheckInAppointment(self, request: Any) -> scheduling.CheckInAppointmentResponse:
        return scheduling.CheckInAppointmentResponse()

    def _CompleteAppointment(self, request: Any) -> scheduling.CompleteAppointmentResponse:
        return scheduling.CompleteAppointmentResponse()

    def _ListClaims(self, request: Any) -> billing.ListClaimsResponse:
        claim = Claim(id="clm_one", appointment_id="app_one", state=CLAIM_STATE_READY)
        claim.insurer_share.minor_units, claim.patient_share.minor_units = 800, 200
        return billing.ListClaimsResponse(claims=[claim])

    def _SubmitClaim(self, request: Any) -> billing.SubmitClaimResponse:
        return billing.SubmitClaimResponse()

    def _RecordPayment(self, request: Any) -> billing.RecordPaymentResponse:
        answer = billing.RecordPaymentResponse()
        answer.payment.id = f"pay_{request.payer}"
        answer.payment.amount.CopyFrom(request.amount)
        return answer


class TownStubs(Stubs):
    def __init__(self, town: Any) -> None:
        self.triage = self.scheduling = self.billing = town


def play(town: Town) -> tuple[Journeys, Observations, str | None]:
    seen = Observations()
    journeys = Journeys(TownStubs(town), ["pat_one"], seen, seed=1)
    return journeys, seen, journeys.play(0)


def before(seen: Observations) -> dict[str, tuple[int, int]]:
    return {str(journey): (t.tried, t.served) for (journey, _), t in seen.tallies().items()}


def test_a_patient_is_heard_seen_and_pays_both_shares() -> None:
    _, seen, debt = play(Town())
    assert before(seen) == {"chat": (1, 1), "book": (1, 1), "visit": (1, 1), "pay": (1, 1)}
    assert (debt, seen.completions, seen.claims, seen.received) == (
        None,
        frozenset({"app_one"}),
        1,
        1000,
    )


def test_an_emergency_is_no_appointment() -> None:
    town = Town()
    town.urgency = URGENCY_IMMEDIATE
    _, seen, debt = play(town)
    assert (before(seen), debt) == ({"chat": (1, 1)}, None)


def test_a_patient_whose_time_was_taken_takes_another_and_is_served() -> None:
    town = Town()
    town.fail["BookAppointment"] = [TAKEN]
    _, seen, _ = play(town)
    assert (before(seen)["book"], town.asked["FindSlots"]) == ((1, 1), 1)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("SendMessage", {"chat": (1, 0)}),
        ("BookAppointment", {"chat": (1, 1), "book": (1, 0)}),
        ("CompleteAppointment", {"chat": (1, 1), "book": (1, 1), "visit": (1, 0)}),
    ],
)
def test_a_call_that_fails_ends_the_journey_and_counts_once(
    method: str, expected: dict[str, tuple[int, int]]
) -> None:
    town = Town()
    town.fail[method] = [DOWN]
    _, seen, debt = play(town)
    assert (before(seen), debt, seen.completions) == (expected, None, frozenset())


def test_a_patient_who_could_not_pay_comes_back_with_the_same_requests() -> None:
    town = Town()
    town.fail["RecordPayment"] = [DOWN]
    journeys, seen, debt = play(town)
    seen.phase = Phase.AFTER
    assert debt is not None
    assert journeys.pay(debt)
    ids = Counter(r.request_id for r in town.requests if isinstance(r, billing.SubmitClaimRequest))
    assert ids == {"clm_one-submit": 2}
    assert seen.tallies()[Journey.PAY, Phase.BEFORE] == Tally(1, 0)
    assert seen.tallies()[Journey.PAY, Phase.AFTER] == Tally(1, 1)
    assert seen.received == 1000


def test_a_try_counts_to_the_phase_in_which_it_ends() -> None:
    seen = Observations()
    with seen.trying(Journey.CHAT):
        seen.phase = Phase.DURING
    assert seen.tallies() == {(Journey.CHAT, Phase.DURING): Tally(1, 1)}


def test_the_load_lets_debtors_come_back_and_tells_of_its_own_faults() -> None:
    town = Town()
    town.fail["ListClaims"] = [DOWN]
    seen = Observations()
    load = Load(Journeys(TownStubs(town), ["pat_one"], seen, seed=1), rate=1000.0)
    load.start()
    while seen.claims == 0 or load.debts == 0:
        load.check()
    load.finish(timeout=10.0)
    assert load.debts == 0
    paid = seen.tallies()[Journey.PAY, Phase.BEFORE]
    assert paid.tried - paid.served == 1
    load.close()


def test_a_fault_of_the_demo_itself_is_not_taken_for_an_answer() -> None:
    town = Town()
    town.asked = None  # type: ignore[assignment]
    load = Load(Journeys(TownStubs(town), ["pat_one"], Observations(), seed=1), rate=1000.0)
    load.start()

    def wait_for_ever() -> None:
        while True:
            load.check()

    with pytest.raises(TypeError):
        wait_for_ever()
    load.close()
