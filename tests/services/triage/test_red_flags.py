"""Each red flag has a story that fires it and a near miss that must not; doubt never drops one."""

import pytest

from services.triage.domain import (
    About,
    Conversation,
    FlagState,
    PatientContext,
    Sex,
    assess,
    begin,
    converse,
    load_knowledge,
)
from services.triage.domain.conversation import Fact
from services.triage.domain.knowledge_base import Criterion, Form, Item, RedFlag
from services.triage.domain.language.assertion import Status
from services.triage.domain.language.quantities import Severity
from tests.services.triage.red_flag_stories import STORIES

BASE = load_knowledge()
FORMS = [
    pytest.param(rule, form, id=f"{rule.id}-{number}")
    for rule in BASE.red_flags
    for number, form in enumerate(rule.when)
]


def fired(text: str, patient: PatientContext | None = None) -> set[str]:
    _, result = converse(begin(), text, patient)
    return {flag.id for flag in result.red_flags if flag.state is FlagState.FIRED}


def test_every_red_flag_has_its_stories() -> None:
    assert set(STORIES) == {rule.id for rule in BASE.red_flags}


@pytest.mark.parametrize("rule", STORIES)
def test_a_red_flag_fires_on_its_story_and_not_on_its_near_miss(rule: str) -> None:
    story, near_miss = STORIES[rule]
    assert rule in fired(story)
    assert rule not in fired(near_miss)


@pytest.mark.parametrize(
    ("rule", "text", "patient"),
    [
        ("head_injury_danger", "I hit my head", PatientContext(medications=("Warfarin 5 MG",))),
        ("head_injury_danger", "I hit my head", PatientContext(age_months=70 * 12)),
        ("fever_with_weak_immunity", "I have a fever", PatientContext(conditions=("Lymphoma",))),
        ("fever_with_weak_immunity", "I have chills", PatientContext(medications=("cisplatin",))),
        ("ectopic_pregnancy", "my stomach hurts", PatientContext(pregnant=True, sex=Sex.FEMALE)),
        (
            "diabetic_ketoacidosis",
            "I have been vomiting",
            PatientContext(conditions=("Diabetes mellitus type 1 (disorder)",)),
        ),
        (
            "new_headache_over_50",
            "I have a headache since yesterday",
            PatientContext(age_months=55 * 12),
        ),
        ("fever_under_3_months", "She has a fever", PatientContext(age_months=1)),
        ("acute_coronary_syndrome", "chest pain", PatientContext(conditions=("Angina",))),
    ],
)
def test_the_chart_makes_a_symptom_a_red_flag(
    rule: str, text: str, patient: PatientContext
) -> None:
    assert rule in fired(text, patient)
    assert rule not in fired(text, PatientContext(age_months=30 * 12, sex=Sex.MALE))


DOUBTS = (
    Fact(Status.UNCERTAIN),
    Fact(Status.PAST, doubt=True),
    Fact(Status.FAMILY, doubt=True),
)


def held(item: Item) -> Fact:
    return Fact(
        Status.PRESENT,
        severity=Severity.SEVERE if item.test is Criterion.SEVERE else None,
        hours=item.value
        if item.test in (Criterion.LASTS_AT_LEAST, Criterion.LASTS_AT_MOST)
        else None,
        sudden=True if item.test is Criterion.SUDDEN else None,
    )


def settled(form: Form, chosen: Item | None) -> tuple[dict[str, Fact], PatientContext]:
    """Facts and chart that hold one choice of a form, everything else denied."""
    items = [*form.every, *([chosen] if chosen else [])]
    facts = {item.finding: held(item) for item in items if item.finding}
    age = None
    for item in items:
        if item.test is Criterion.AGE_AT_LEAST:
            age = int(item.value)
        elif item.test is Criterion.AGE_UNDER:
            age = int(item.value) - 1
    return facts, PatientContext(age_months=age)


@pytest.mark.parametrize(("rule", "form"), FORMS)
def test_every_form_of_a_rule_can_fire(rule: RedFlag, form: Form) -> None:
    for chosen in form.any_of or (None,):
        facts, patient = settled(form, chosen)
        result = assess(begin(About.OTHER).with_facts(facts), patient)
        states = {flag.id: flag.state for flag in result.red_flags}
        assert states.get(rule.id) is FlagState.FIRED
        assert result.urgency <= rule.urgency


@pytest.mark.parametrize(("rule", "form"), FORMS)
def test_doubt_about_any_finding_of_a_red_flag_asks_or_escalates(rule: RedFlag, form: Form) -> None:
    for chosen in form.any_of or (None,):
        facts, patient = settled(form, chosen)
        first = chosen is None or chosen is form.any_of[0]
        for doubted in facts:
            for doubt in DOUBTS if first else DOUBTS[:1]:
                quality = facts[doubted]
                unsure = Fact(
                    doubt.status, doubt.doubt, quality.severity, quality.hours, quality.sudden
                )
                conversation = begin(About.OTHER).with_facts({**facts, doubted: unsure})
                assert_asks_or_escalates(conversation, patient, rule, doubted)


def assert_asks_or_escalates(
    conversation: Conversation, patient: PatientContext, rule: RedFlag, doubted: str
) -> None:
    """Unsure of the finding in doubt, no to everything else: the flag must still be acted on."""
    result = assess(conversation, patient)
    assert result.urgency <= rule.urgency or result.question is not None
    for _ in range(30):
        if result.question is None or result.urgency <= rule.urgency:
            break
        asked = ask(conversation, patient)
        about = asked.pending.findings if asked.pending else ()
        reply = "not sure" if doubted in about or about == () else "no"
        conversation, result = converse(asked, reply, patient)
    assert result.urgency <= rule.urgency


def ask(conversation: Conversation, patient: PatientContext) -> Conversation:
    """Put the question of the present assessment, as the first turn of a talk would."""
    if conversation.pending:
        return conversation
    asked, _ = converse(conversation, "...", patient)
    return asked


@pytest.mark.parametrize("reply", ["hm", "what should I do", "please help"])
def test_a_doubt_that_is_never_answered_escalates(reply: str) -> None:
    conversation, result = converse(begin(), "not sure if it's chest pain")
    for _ in range(20):
        if result.question is None or result.urgency <= 2:
            break
        conversation, result = converse(conversation, reply)
    assert "chest_pain_unexplained" in {
        f.id for f in result.red_flags if f.state is FlagState.ESCALATED
    }
