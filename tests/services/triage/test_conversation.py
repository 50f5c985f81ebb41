"""A conversation from the first words to an assessment one can act on."""

import json
from pathlib import Path

import pytest

from services.triage.domain import (
    About,
    Assessment,
    Confidence,
    Conversation,
    FlagState,
    Limit,
    PatientContext,
    QuestionKind,
    Sex,
    Urgency,
    begin,
    converse,
    from_json,
    load_knowledge,
    to_json,
)

ADULT = PatientContext(age_months=40 * 12, sex=Sex.MALE)
SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


def talk(
    *messages: str, about: About = About.UNSTATED, patient: PatientContext | None = None
) -> tuple[Conversation, Assessment]:
    """Play messages, storing the conversation as JSON between them as a service would."""
    conversation = begin(about)
    for message in messages:
        stored = json.loads(json.dumps(to_json(conversation)))
        assert from_json(stored) == conversation
        conversation, result = converse(from_json(stored), message, patient)
    return conversation, result


@pytest.mark.parametrize(
    ("messages", "urgency"),
    [
        (["I can't breathe"], Urgency.IMMEDIATE),
        (["not sure if it's chest pain"], Urgency.URGENT),
        (["not sure if it's chest pain", "yes"], Urgency.EMERGENT),
        (["not sure if it's chest pain", "not sure"], Urgency.EMERGENT),
        (["not sure if it's chest pain", "no"], Urgency.ROUTINE),
        (["chest pain went away", "yes it came back", "8"], Urgency.IMMEDIATE),
        (["my father had chest pain", "no"], Urgency.ROUTINE),
        (["my father had chest pain", "yes"], Urgency.EMERGENT),
        (["I need a refill of my prescription"], Urgency.SELF_CARE),
        (["runny nose and sneezing since yesterday"], Urgency.SELF_CARE),
        (["I have a fever", "38.5"], Urgency.ROUTINE),
        (["I have a cough for a month"], Urgency.ROUTINE),
        (["my son has a fever", "he is 2 months old"], Urgency.EMERGENT),
        (["I want to die", "yes"], Urgency.IMMEDIATE),
    ],
)
def test_what_is_told_and_answered_gives_the_urgency(messages: list[str], urgency: Urgency) -> None:
    assert talk(*messages)[1].urgency is urgency


def test_the_first_question_is_about_the_red_flag_in_doubt() -> None:
    _, result = talk("I have a runny nose and I'm not sure if it's chest pain")
    assert result.question is not None
    assert result.question.findings == ("chest_pain",)


def test_an_emergency_ends_the_questions() -> None:
    _, result = talk("I have crushing chest pain and I am sweating", patient=ADULT)
    assert result.complete
    assert result.confidence is Confidence.HIGH


def test_a_conversation_of_denials_comes_to_an_end() -> None:
    conversation, result = talk("I have a headache", patient=ADULT)
    for _ in range(15):
        if result.complete:
            break
        conversation, result = converse(conversation, "no", ADULT)
    assert result.complete
    assert not [f for f in result.red_flags if f.state is FlagState.POSSIBLE]


def test_a_symptom_told_and_then_denied_is_asked_about_again() -> None:
    _, result = talk("I have chest pain", "7 hours", "I have no chest pain")
    assert result.question is not None
    assert result.question.findings == ("chest_pain",)


def test_a_caregiver_speaks_of_the_patient() -> None:
    conversation, result = talk("My son is having a seizure", about=About.OTHER)
    assert conversation.about is About.OTHER
    assert result.urgency is Urgency.IMMEDIATE


def test_another_persons_red_flag_is_asked_about_when_the_writer_is_the_patient() -> None:
    _, result = talk("my son can't breathe", about=About.SELF, patient=ADULT)
    assert result.question is not None
    assert result.question.kind is QuestionKind.WHOSE
    assert Limit.SOMEONE_ELSE in result.limits


@pytest.mark.parametrize("words", ["I'm a 54 year old man with", "I am a woman of 30 and have"])
def test_someone_describing_themselves_is_the_patient(words: str) -> None:
    assert talk(f"{words} chest pain")[0].about is About.SELF


def test_a_child_named_only_by_age_is_the_one_spoken_of() -> None:
    conversation, result = talk("my 3 year old drank bleach")
    assert (conversation.about, conversation.age_months) == (About.OTHER, 36)
    assert result.urgency is Urgency.IMMEDIATE


def test_a_grown_up_chart_does_not_become_a_childs() -> None:
    _, result = talk("my baby has a fever and is very drowsy", patient=ADULT)
    assert result.question is not None
    assert result.question.kind is QuestionKind.WHOSE


def test_without_the_chart_the_assessment_says_so_and_is_less_sure() -> None:
    words = "I have crushing chest pain and I am sweating"
    _, without = talk(words)
    _, with_chart = talk(words, patient=ADULT)
    assert Limit.NO_HISTORY in without.limits
    assert Limit.NO_HISTORY not in with_chart.limits
    assert without.confidence is not with_chart.confidence


def test_words_that_are_not_understood_are_asked_again_and_never_called_harmless() -> None:
    _, result = talk("florp")
    assert result.urgency is Urgency.URGENT
    assert result.confidence is Confidence.LOW
    assert result.question is not None
    assert result.question.kind is QuestionKind.OPENING


def test_every_consideration_spells_out_for_and_against() -> None:
    _, result = talk("chest pain and short of breath, no fever, not sweating, I have a cough")
    assert result.considerations
    assert all(each.speaks_for for each in result.considerations)
    pneumonia = next(each for each in result.considerations if each.id == "pneumonia")
    assert "fever" in {evidence.id for evidence in pneumonia.against}


def test_nothing_a_patient_writes_is_repeated_or_stored() -> None:
    secret = "zanzibarella"
    conversation, result = talk(f"my name is {secret} and I have chest pain from {secret}")
    assert secret not in repr(result)
    assert secret not in json.dumps(to_json(conversation))


def test_the_same_words_always_give_the_same_assessment() -> None:
    words = ("fever and headache since yesterday", "no", "not sure", "no")
    assert talk(*words) == talk(*words)


def test_every_assessment_says_it_is_decision_support() -> None:
    assert "decision support" in talk("cough")[1].disclaimer


@pytest.mark.parametrize(
    "text",
    ["", "   ", "!!!", "?", "no", "1/0", "a" * 5000, "ok " * 2000, "pain hedache " * 300, "🙂"],
)
def test_no_message_breaks_the_conversation(text: str) -> None:
    conversation, _ = talk("I have a headache", text, text)
    assert conversation.messages == 3


def test_public_stories_of_emergencies_are_rarely_under_triaged() -> None:
    if not (SHARED / "vignettes_clinicaflow").exists():
        pytest.skip("no stories under ../shared/data")
    from bench.triage_vignettes import stories, tally

    load_knowledge()
    counts = tally((story for _, story in stories()), with_vitals=True)
    assert counts["under_emergency"] / counts["emergencies"] <= 0.05
    assert counts["flagged_found"] / counts["flagged"] >= 0.95
