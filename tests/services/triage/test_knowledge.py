"""The knowledge base: everything in it can be reached, has a source, and is checked when loaded."""

import pytest

from services.triage.domain import KnowledgeError, load_knowledge
from services.triage.domain.knowledge_base import Finding, parse_item, parse_knowledge
from services.triage.domain.language.assertion import Status
from services.triage.domain.language.lexicon import MANY
from services.triage.domain.language.reading import read_text

BASE = load_knowledge()
FINDING = {
    "id": "cough",
    "name": "cough",
    "system": "breathing",
    "urgency": "SELF_CARE",
    "ask": "Do you cough?",
    "say": ["cough"],
    "source": "S",
}
RULE = {
    "id": "r",
    "name": "r",
    "urgency": "URGENT",
    "when": [{"any": ["cough"]}],
    "advice": "a",
    "source": "S",
}


def plainly(phrase: str) -> str:
    """The first reading of a lay phrase, as a patient would write it."""
    words = [word.split("|")[0] for word in phrase.split()]
    return " ".join("20" if word == MANY else word for word in words)


@pytest.mark.parametrize("finding", BASE.findings.values(), ids=lambda each: each.id)
def test_every_finding_is_reached_by_its_lay_words(finding: Finding) -> None:
    reached = 0
    for phrase in finding.say:
        found = {m.finding: m.status for m in read_text(plainly(phrase), BASE.lexicon).mentions}
        implied = {wider for each in found for wider in BASE.findings[each].implies}
        if finding.id in found or finding.id in implied:
            reached += 1
        assert found.get(finding.id) is not Status.ABSENT
    assert reached >= len(finding.say) * 0.75


def test_everything_cites_a_source_that_is_listed_and_every_listed_source_is_cited() -> None:
    cited = {each.source for each in BASE.findings.values()}
    cited |= {each.source for each in BASE.red_flags}
    cited |= {each.source for each in BASE.considerations}
    assert cited == set(BASE.sources)
    assert len(BASE.findings) >= 60
    assert len(BASE.red_flags) >= 30


@pytest.mark.parametrize(
    ("findings", "rules", "message"),
    [
        ([FINDING], [RULE | {"when": [{"any": ["cuogh"]}]}], "unknown finding 'cuogh'"),
        ([FINDING | {"source": "T"}], [RULE], "source 'T'"),
        ([FINDING, FINDING], [RULE], "used twice"),
        ([FINDING | {"say": []}], [RULE], "'say'"),
        ([FINDING], [RULE | {"urgency": "SOON"}], "no urgency"),
        ([FINDING], [RULE | {"when": []}], "at least one form"),
        ([FINDING], [RULE | {"when": [{"none": ["cough"]}]}], "'all' and 'any'"),
        ([FINDING], [RULE | {"when": [{"all": ["age<3mo"]}]}], "needs a finding"),
        ([FINDING], [RULE | {"when": [{"any": ["cough", "age<3mo"]}]}], "needs a finding"),
    ],
)
def test_a_mistake_in_the_knowledge_is_refused_by_name(
    findings: list[dict[str, object]], rules: list[dict[str, object]], message: str
) -> None:
    with pytest.raises(KnowledgeError, match=message):
        parse_knowledge(findings, rules, [], {"S": "a source"})


@pytest.mark.parametrize("text", ["age>=5d", "fever>=3mo", "fever@often", "Fever", "age<=5y"])
def test_a_condition_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(KnowledgeError):
        parse_item("rule", text)
