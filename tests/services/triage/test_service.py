"""Triage as a caller sees it, through the server stack."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, timedelta
from typing import Any

import pytest

from mesh.host import Parts
from mesh.persistence import Database
from plexus.client import channel
from plexus.contract import TELLING, load
from plexus.errors import Conflict, NotFound, Unmet
from plexus.triage.v1 import assessment_pb2 as levels
from plexus.triage.v1.conversation_pb2 import Author, ConversationState, Speaker
from services.triage.service import build
from tests.services.triage.front_desk import (
    NOW,
    PATIENT,
    RECORDS,
    SCHEDULING,
    SERVICE,
    FrontDesk,
    lacking,
)

HEAD = "I hit my head this morning"
BACK = "My back has hurt for two days, 4 out of 10."
EMERGENCY = "I have crushing chest pain and I am sweating"


def test_a_conversation_begins_with_a_question_and_ends_with_advice_and_a_disclaimer(
    desk: FrontDesk,
) -> None:
    begun = desk.start()
    assert begun.reply.endswith("how bad it is.")
    assert not begun.HasField("assessment")
    assert not desk.look(begun.conversation).HasField("assessment")
    answer = desk.send(begun.conversation, BACK)
    assert answer.reply == answer.assessment.next_question
    for _ in range(10):
        if not answer.assessment.next_question:
            break
        answer = desk.send(begun.conversation, "no")
    assert answer.reply == f"{answer.assessment.advice} {answer.assessment.disclaimer}"
    kept = desk.look(begun.conversation).conversation
    assert kept.state == ConversationState.CONVERSATION_STATE_ADVISED
    authors = [turn.author for turn in kept.turns]
    assert authors[0] == Author.AUTHOR_TRIAGE
    assert authors[1:] == [Author.AUTHOR_PERSON, Author.AUTHOR_TRIAGE] * (len(authors) // 2)


def test_first_words_are_answered_as_a_message_is(desk: FrontDesk) -> None:
    at_once = desk.start(BACK)
    later = desk.send(desk.start().conversation, BACK)
    assert at_once.assessment == later.assessment
    assert (at_once.reply, list(at_once.slots)) == (later.reply, list(later.slots))


@pytest.mark.parametrize("text", [BACK, EMERGENCY, HEAD, "not sure if it's chest pain", "florp"])
def test_what_was_answered_is_what_is_read_afterwards(desk: FrontDesk, text: str) -> None:
    conversation = desk.start().conversation
    answer = desk.send(conversation, text)
    now = desk.look(conversation)
    assert now.assessment == answer.assessment
    assert list(now.slots) == list(answer.slots)


def test_the_chart_weighs_in_and_is_not_asked_for_again_while_it_is_fresh(desk: FrontDesk) -> None:
    conversation = desk.start().conversation
    answer = desk.send(conversation, HEAD)
    assert "head_injury_danger" in {flag.id for flag in answer.assessment.red_flags}
    assert answer.assessment.record_used
    assert answer.assessment.record_read_time.ToDatetime(UTC) == NOW
    assert len(desk.records.asked) == 1
    desk.pass_by(16)
    desk.chart.medications[0].status = "stopped"
    desk.chart.patient.birth_date.year = 1990
    answer = desk.send(conversation, "it does not hurt")
    assert "head_injury_danger" not in {flag.id for flag in answer.assessment.red_flags}
    assert answer.assessment.record_read_time.ToDatetime(UTC) == desk.now


def test_without_records_it_is_assessed_without_history_and_says_so(desk: FrontDesk) -> None:
    with_record = desk.start(HEAD)
    desk.records.fall_silent()
    without = desk.start(HEAD)
    assert lacking(without) == [RECORDS]
    assert not without.degradations[0].HasField("as_of")
    assert not without.assessment.record_used
    assert levels.ASSESSMENT_LIMIT_NO_HISTORY in without.assessment.limits
    assert 0 < without.assessment.confidence < with_record.assessment.confidence <= 1
    desk.records.come_back()
    answer = desk.send(without.conversation, "since an hour")
    assert lacking(answer) == []
    assert answer.assessment.record_used


def test_what_is_remembered_of_the_chart_outlives_an_outage_and_tells_its_age(
    desk: FrontDesk,
) -> None:
    conversation = desk.start().conversation
    desk.pass_by(16)
    desk.records.fall_silent()
    answer = desk.send(conversation, HEAD)
    assert lacking(answer) == [RECORDS]
    assert answer.degradations[0].as_of.ToDatetime(UTC) == NOW
    assert answer.assessment.record_read_time.ToDatetime(UTC) == NOW
    assert "head_injury_danger" in {flag.id for flag in answer.assessment.red_flags}


def test_a_conversation_about_nobody_asks_records_nothing(desk: FrontDesk) -> None:
    begun = desk.start(BACK, patient_id="")
    desk.send(begun.conversation, "since two days")
    assert (desk.records.asked, lacking(begun)) == ([], [])


def test_a_patient_whom_records_does_not_know_is_refused_at_the_start_only(
    desk: FrontDesk,
) -> None:
    desk.records.know_nothing()
    with pytest.raises(Unmet) as refusal:
        desk.start(HEAD)
    assert refusal.value.reason == "PATIENT_UNKNOWN"
    assert refusal.value.metadata == {"patient_id": PATIENT}
    desk.records.fall_silent()
    conversation = desk.start().conversation
    desk.records.know_nothing()
    answer = desk.send(conversation, EMERGENCY)
    assert answer.assessment.urgency == levels.URGENCY_IMMEDIATE


@pytest.mark.parametrize(
    ("text", "urgency", "within"),
    [
        ("I have had a high fever of 39.5 since yesterday", levels.URGENCY_URGENT, 1),
        (BACK, levels.URGENCY_ROUTINE, 14),
        ("I have a runny nose", levels.URGENCY_SELF_CARE, None),
        (EMERGENCY, levels.URGENCY_IMMEDIATE, None),
        ("I want to kill myself", levels.URGENCY_EMERGENT, None),
        ("not sure if it's chest pain", levels.URGENCY_URGENT, None),
    ],
)
def test_slots_are_looked_for_by_urgency_and_never_for_an_emergency(
    desk: FrontDesk, text: str, urgency: int, within: int | None
) -> None:
    desk.chart.medications.clear()
    desk.chart.patient.birth_date.year = 1990
    answer = desk.start(text)
    assert answer.assessment.urgency == urgency
    ends = [request.window.end.ToDatetime(UTC) - NOW for request in desk.scheduling.asked]
    assert ends == ([timedelta(days=within)] if within else [])
    assert bool(answer.slots) == bool(within)


def test_without_scheduling_the_advice_stands_and_no_slots_are_offered(desk: FrontDesk) -> None:
    desk.scheduling.fall_silent()
    begun = desk.start(BACK)
    assert lacking(begun) == [SCHEDULING]
    assert begun.assessment.urgency == levels.URGENCY_ROUTINE
    assert not begun.slots
    assert lacking(desk.look(begun.conversation)) == [SCHEDULING]
    desk.scheduling.come_back()
    now = desk.look(begun.conversation)
    assert (lacking(now), len(now.slots)) == ([], 1)


def test_what_cannot_wait_is_said_before_the_question(desk: FrontDesk) -> None:
    answer = desk.start("I want to kill myself")
    assert answer.assessment.next_question
    assert answer.reply == f"{answer.assessment.advice} {answer.assessment.next_question}"


def test_a_doubt_that_stays_is_acted_on_and_a_denied_one_is_ruled_out(desk: FrontDesk) -> None:
    def status(*replies: str) -> tuple[int, int]:
        conversation = desk.start("not sure if it's chest pain").conversation
        for reply in replies:
            answer = desk.send(conversation, reply)
        (flag,) = (f for f in answer.assessment.red_flags if f.id == "chest_pain_unexplained")
        return flag.status, answer.assessment.urgency

    assert status("not sure") == (levels.RED_FLAG_STATUS_ASSUMED, levels.URGENCY_EMERGENT)
    denied, urgency = status("no")
    assert denied == levels.RED_FLAG_STATUS_RULED_OUT
    assert urgency > levels.URGENCY_EMERGENT


def test_every_part_of_an_assessment_names_its_source(desk: FrontDesk) -> None:
    assessed = desk.start(f"{EMERGENCY}. My father had a cough two years ago. No fever.").assessment
    parts: list[Any] = [*assessed.red_flags, *assessed.findings, *assessed.considerations]
    assert all(" " in part.source for part in parts)
    told = {each.id: each.assertion for each in assessed.findings}
    assert told["fever"] == levels.ASSERTION_ABSENT
    assert told["crushing_chest_pain"] == levels.ASSERTION_PRESENT
    assert levels.ASSERTION_FAMILY in told.values()
    assert assessed.reasons
    assert all(each.urgency and each.evidence_for for each in assessed.considerations)
    assert len(assessed.knowledge_version) == 16


def test_who_speaks_decides_whom_the_words_are_about(desk: FrontDesk) -> None:
    caregiver = desk.start(BACK, patient_id="", speaker=Speaker.SPEAKER_CAREGIVER)
    patient = desk.start(BACK, patient_id="", speaker=Speaker.SPEAKER_PATIENT)
    assert caregiver.reply == f"For the person you are writing about: {patient.reply}"
    kept = desk.look(caregiver.conversation).conversation
    assert kept.speaker == Speaker.SPEAKER_CAREGIVER


def test_a_message_sent_again_is_heard_once_and_gets_the_first_answer(desk: FrontDesk) -> None:
    conversation = desk.start().conversation
    desk.scheduling.fall_silent()
    first = desk.send(conversation, BACK, request_id="the-same")
    desk.scheduling.come_back()
    desk.pass_by(60)
    assert desk.send(conversation, BACK, request_id="the-same") == first
    assert len(desk.look(conversation).conversation.turns) == 3
    with pytest.raises(Conflict) as refusal:
        desk.send(conversation, HEAD, request_id="the-same")
    assert refusal.value.reason == "REQUEST_ID_REUSED"


def test_a_start_sent_again_begins_one_conversation(desk: FrontDesk) -> None:
    first = desk.start(BACK, request_id="the-same")
    desk.pass_by(60)
    assert desk.start(BACK, request_id="the-same") == first


def test_after_200_messages_another_conversation_is_needed_and_repeats_are_still_answered(
    desk: FrontDesk,
) -> None:
    conversation = desk.start().conversation
    for _ in range(199):
        desk.send(conversation, "ok")
    last = desk.send(conversation, "ok", request_id="the-last")
    with pytest.raises(Unmet) as refusal:
        desk.send(conversation, "ok")
    assert refusal.value.reason == "CONVERSATION_FULL"
    assert desk.send(conversation, "ok", request_id="the-last") == last
    assert len(desk.look(conversation).conversation.turns) == 401


@pytest.mark.parametrize("method", ["SendMessage", "GetAssessment"])
def test_a_conversation_that_does_not_exist_is_not_found(desk: FrontDesk, method: str) -> None:
    fields = {"text": BACK} if method == "SendMessage" else {}
    with pytest.raises(NotFound) as refusal:
        desk.call(method, conversation_id="cnv_aaaaaaaa", **fields)
    assert refusal.value.reason == "CONVERSATION_NOT_FOUND"


def test_the_service_is_built_for_every_method_of_its_contract(database: Database) -> None:
    with ExitStack() as opened:
        channels = {name: channel("localhost:1") for name in ("records", "scheduling")}
        for each in channels.values():
            opened.enter_context(each)
        built = build(Parts("triage", database, channels=channels))
    ((descriptor, servicer),) = built.servicers
    assert descriptor is SERVICE
    assert all(type(servicer).__dict__.get(method.name) for method in SERVICE.methods)
    (stated,) = load().workloads["triage"]
    assert [task.name for task in stated.tasks] == [TELLING]
