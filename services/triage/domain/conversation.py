"""What is known so far in one conversation, as a frozen value that is plain JSON when stored.

It holds findings by id and never the words a patient wrote.

Who the patient is: ``about`` says it when the caller knows (SELF: the one who writes; OTHER: the
one written about). When not known, the first words decide: "I have…" makes it SELF, "my son has…"
makes it OTHER with that relation. Afterwards what is said of anyone else is FAMILY; if it is said
in the present, or may be, it stays in doubt until asked: a red flag is never dropped on grammar.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from services.triage.domain.language.assertion import Status
from services.triage.domain.language.quantities import Severity


class About(StrEnum):
    UNSTATED = "unstated"
    SELF = "self"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Fact:
    """A finding as told. ``doubt``: FAMILY or PAST that may still concern the patient now."""

    status: Status
    doubt: bool = False
    severity: Severity | None = None
    hours: float | None = None
    sudden: bool | None = None


class QuestionKind(StrEnum):
    OPENING = "opening"
    WHOSE = "whose"
    FINDING = "finding"
    ANY_OF = "any_of"
    SEVERITY = "severity"
    SUDDEN = "sudden"
    DURATION = "duration"
    AGE = "age"


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask next, in the knowledge base's words, and the red flag it is asked for."""

    kind: QuestionKind
    text: str
    findings: tuple[str, ...] = ()
    red_flag: str = ""

    @property
    def key(self) -> str:
        """One name for all wordings of the same question."""
        return ":".join((self.kind, *self.findings))


@dataclass(frozen=True, slots=True)
class Conversation:
    """``unsure`` are the keys of questions answered "not sure", ``put`` of those put so far."""

    about: About = About.UNSTATED
    relation: str | None = None
    age_months: int | None = None
    facts: Mapping[str, Fact] = field(default_factory=lambda: MappingProxyType({}))
    pending: Question | None = None
    put: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    messages: int = 0
    understood: bool = False

    def with_facts(self, new: Mapping[str, Fact]) -> "Conversation":
        return replace(self, facts=MappingProxyType({**self.facts, **new}))


def to_json(conversation: Conversation) -> dict[str, Any]:
    """Plain values for a JSON column; `from_json` gives the same conversation back."""
    return {
        "about": conversation.about.value,
        "relation": conversation.relation,
        "age_months": conversation.age_months,
        "facts": {key: asdict(fact) for key, fact in sorted(conversation.facts.items())},
        "pending": asdict(conversation.pending) if conversation.pending else None,
        "put": list(conversation.put),
        "unsure": list(conversation.unsure),
        "messages": conversation.messages,
        "understood": conversation.understood,
    }


def from_json(stored: Mapping[str, Any]) -> Conversation:
    """The conversation `to_json` wrote; raises KeyError or ValueError on anything else."""
    pending = stored["pending"]
    return Conversation(
        about=About(stored["about"]),
        relation=stored["relation"],
        age_months=stored["age_months"],
        facts=MappingProxyType({key: _fact(fact) for key, fact in stored["facts"].items()}),
        pending=_question(pending) if pending else None,
        put=tuple(stored["put"]),
        unsure=tuple(stored["unsure"]),
        messages=stored["messages"],
        understood=stored["understood"],
    )


def _fact(stored: Mapping[str, Any]) -> Fact:
    severity = stored["severity"]
    return Fact(
        Status(stored["status"]),
        stored["doubt"],
        Severity(severity) if severity else None,
        stored["hours"],
        stored["sudden"],
    )


def _question(stored: Mapping[str, Any]) -> Question:
    return Question(
        QuestionKind(stored["kind"]),
        stored["text"],
        tuple(stored["findings"]),
        stored["red_flag"],
    )
