"""What a message asserts of a symptom: the distinctions a triage engine must not blur."""

import pytest

from services.triage.domain import load_knowledge
from services.triage.domain.language.answers import Answer, find_answer
from services.triage.domain.language.quantities import find_age_months
from services.triage.domain.language.reading import read_text
from services.triage.domain.language.tokens import normalise

PRESENT, ABSENT, UNCERTAIN, FAMILY, PAST = "present", "absent", "uncertain", "family", "past"

ASSERTED = [
    ("I have chest pain", {"chest_pain": PRESENT}),
    ("no chest pain", {"chest_pain": ABSENT}),
    ("My chest doesn't hurt", {"chest_pain": ABSENT}),
    ("not having any chest pain", {"chest_pain": ABSENT}),
    ("chest pain: no. fever: yes", {"chest_pain": ABSENT, "fever": PRESENT}),
    ("not sure if it's chest pain", {"chest_pain": UNCERTAIN}),
    ("I don't know if this is chest pain", {"chest_pain": UNCERTAIN}),
    ("maybe chest pain", {"chest_pain": UNCERTAIN}),
    ("it could be chest pain or heartburn", {"chest_pain": UNCERTAIN, "heartburn": UNCERTAIN}),
    ("I don't think I have chest pain", {"chest_pain": UNCERTAIN}),
    ("should I worry if I get chest pain", {"chest_pain": UNCERTAIN}),
    ("chest pain went away", {"chest_pain": PAST}),
    ("I had chest pain this morning. It's gone now.", {"chest_pain": PAST}),
    ("I don't have chest pain anymore", {"chest_pain": PAST}),
    ("it's not that I don't have chest pain", {"chest_pain": UNCERTAIN}),
    ("no chest pain at the moment", {"chest_pain": PAST}),
    ("no fever, no cough", {"fever": ABSENT, "cough": ABSENT}),
    ("I used to have chest pain", {"chest_pain": PAST}),
    ("the chest pain won't go away", {"chest_pain": PRESENT}),
    ("chest pain that comes and goes", {"chest_pain": PRESENT}),
    ("chest pain went away but came back", {"chest_pain": PRESENT}),
    (
        "denies fever, chest pain or being short of breath",
        {"fever": ABSENT, "chest_pain": ABSENT, "short_of_breath": ABSENT},
    ),
    ("no fever, chills, or cough", {"fever": ABSENT, "chills": ABSENT, "cough": ABSENT}),
    ("no fever, cough for 3 days", {"fever": ABSENT, "cough": UNCERTAIN}),
    ("no cough and fever", {"cough": ABSENT, "fever": UNCERTAIN}),
    ("no fever but my chest hurts", {"fever": ABSENT, "chest_pain": PRESENT}),
    ("No my chest hurts", {"chest_pain": PRESENT}),
    ("not only chest pain but also sweating", {"chest_pain": PRESENT, "sweating": PRESENT}),
    ("I can't sleep because of chest pain", {"chest_pain": PRESENT}),
    ("I don't feel well and have chest pain", {"chest_pain": PRESENT}),
    ("not sure why my chest hurts", {"chest_pain": PRESENT}),
    ("I can't breathe", {"cannot_breathe": PRESENT}),
    ("can't stop vomiting", {"vomiting_cannot_keep_fluids": PRESENT}),
    ("I'm not vomiting", {"vomiting": ABSENT}),
    ("I've never had a headache like this", {"thunderclap_headache": PRESENT}),
    ("worst headache of my life", {"thunderclap_headache": PRESENT}),
    ("family history of heart attack", {"heart_disease": FAMILY}),
]


@pytest.mark.parametrize(("text", "expected"), ASSERTED)
def test_words_assert_what_they_say(text: str, expected: dict[str, str]) -> None:
    reading = read_text(text, load_knowledge().lexicon)
    said = {mention.finding: mention.status.value for mention in reading.mentions}
    assert {finding: said.get(finding) for finding in expected} == expected


def test_a_doubt_about_ones_heart_is_not_read_as_a_symptom_or_its_absence() -> None:
    assert not read_text("I don't think it is my heart", load_knowledge().lexicon).mentions


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("chst pain", "chest_pain"),
        ("bad diarrhea and vomitting", "vomiting"),
        ("short of breth", "short_of_breath"),
        ("I had a siezure", "seizure"),
    ],
)
def test_a_misspelt_symptom_is_still_found(text: str, finding: str) -> None:
    assert finding in {m.finding for m in read_text(text, load_knowledge().lexicon).mentions}


@pytest.mark.parametrize("text", ["my father came over", "I hear well", "the weather is rough"])
def test_everyday_words_are_never_corrected_into_symptoms(text: str) -> None:
    assert not read_text(text, load_knowledge().lexicon).mentions


@pytest.mark.parametrize(
    ("text", "hours", "severity"),
    [
        ("fever for 3 days", 72, None),
        ("fever since yesterday", 24, None),
        ("headache started an hour ago", 1, None),
        ("headache, it started two hours ago", 2, None),
        ("headache 8/10", None, "severe"),
        ("a slight headache", None, "mild"),
        ("headache, about 5 out of 10, for a couple of weeks", 336, "moderate"),
    ],
)
def test_duration_and_severity_belong_to_their_symptom(
    text: str, hours: float | None, severity: str | None
) -> None:
    (mention,) = read_text(text, load_knowledge().lexicon).mentions
    assert (mention.hours, mention.severity) == (hours, severity)


@pytest.mark.parametrize(
    ("text", "celsius"),
    [("38.5", 38.5), ("102F", 38.9), ("a fever of 39", 39), ("temp 37.2 c", 37.2), ("8/10", None)],
)
def test_a_temperature_is_read_in_either_scale(text: str, celsius: float | None) -> None:
    measured = read_text(text, load_knowledge().lexicon).measurements
    assert [each.value for each in measured] == ([] if celsius is None else [celsius])


@pytest.mark.parametrize(
    ("text", "months"),
    [
        ("my baby is 2 months old with a fever of 39", 2),
        ("I'm 54 and dizzy", 648),
        ("a 3-year-old girl", 36),
        ("62F with cough", 744),
        ("fever 102F", None),
        ("I am 8 weeks pregnant", None),
    ],
)
def test_an_age_is_told_from_other_numbers(text: str, months: int | None) -> None:
    assert find_age_months(normalise(text)) == months


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("yes", Answer.YES),
        ("Yeah, a lot", Answer.YES),
        ("no", Answer.NO),
        ("No, but my arm hurts", Answer.NO),
        ("not sure", Answer.UNSURE),
        ("I don't think so", Answer.UNSURE),
        ("no, I don't think so", Answer.UNSURE),
        ("yes and no", Answer.UNSURE),
        ("no idea", Answer.UNSURE),
        ("no chest pain", None),
        ("it burns", None),
    ],
)
def test_an_answer_is_told_from_a_new_statement(text: str, answer: Answer | None) -> None:
    assert find_answer(text)[0] is answer
