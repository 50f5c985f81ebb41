"""From all that is known to an urgency, with what speaks for and against it, and what is not known.

Every piece of evidence names a finding or rule by id and in the knowledge base's own words; what
the patient wrote is never repeated.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from services.triage.domain.conversation import Conversation, Question
from services.triage.domain.knowledge_base import (
    Criterion,
    Finding,
    Item,
    Kind,
    KnowledgeBase,
    load_knowledge,
)
from services.triage.domain.language.assertion import Status
from services.triage.domain.language.quantities import HOURS, Severity
from services.triage.domain.patient import PatientContext
from services.triage.domain.questions import next_question
from services.triage.domain.rules import (
    FlagState,
    FlagVerdict,
    Picture,
    Truth,
    doubts,
    draw_picture,
    judge_flags,
    judge_item,
    missing,
    ruled_out,
)
from services.triage.domain.urgency import ADVICE, DISCLAIMER, Urgency

_LONG = 21 * HOURS["day"]
_MOST_CONSIDERATIONS = 5


class Confidence(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Limit(StrEnum):
    """Why an assessment is less certain than it could be."""

    NO_HISTORY = "no_history"  # assessed without the chart
    NOT_UNDERSTOOD = "not_understood"  # no symptom was recognised in what was written
    AGE_UNKNOWN = "age_unknown"
    DOUBT_OPEN = "doubt_open"  # a red flag is in doubt and waits for an answer
    DOUBT_ASSUMED = "doubt_assumed"  # a doubt could not be settled and was acted on
    SOMEONE_ELSE = "someone_else"  # symptoms of another person were told, who may need help too


@dataclass(frozen=True, slots=True)
class Evidence:
    """A finding or patient fact by id ("chest_pain", "age") in the knowledge base's words."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class FlagReport:
    """A red flag that fired, was escalated, or is in doubt, with its reasons."""

    id: str
    name: str
    state: FlagState
    urgency: Urgency
    advice: str
    source: str
    speaks_for: tuple[Evidence, ...]
    against: tuple[Evidence, ...]
    unknown: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class ConsiderationReport:
    """What it could be, never a diagnosis; most supported first."""

    id: str
    name: str
    source: str
    speaks_for: tuple[Evidence, ...]
    against: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Assessment:
    """``complete`` says that no further question is worth asking before acting. ``red_flags`` fired,
    were escalated or are in doubt; ``ruled_out`` were asked about and denied."""

    urgency: Urgency
    advice: str
    complete: bool
    question: Question | None
    red_flags: tuple[FlagReport, ...]
    ruled_out: tuple[FlagReport, ...]
    considerations: tuple[ConsiderationReport, ...]
    reasons: tuple[Evidence, ...]
    confidence: Confidence
    limits: tuple[Limit, ...]
    disclaimer: str = DISCLAIMER


def assess(
    conversation: Conversation, patient: PatientContext | None, base: KnowledgeBase | None = None
) -> Assessment:
    """Assess a conversation as it stands. ``patient`` None: assessed without history."""
    picture = draw_picture(conversation, patient, base or load_knowledge())
    verdicts = judge_flags(picture)
    urgency = _urgency(picture, verdicts)
    question = next_question(picture, verdicts, urgency)
    limits = tuple(_limits(picture, verdicts))
    shown = sorted(
        (each for each in verdicts if each.state is not FlagState.OPEN),
        key=lambda each: (each.rule.urgency, each.state is FlagState.POSSIBLE),
    )
    return Assessment(
        urgency=urgency,
        advice=_advice(urgency, shown),
        complete=question is None,
        question=question,
        red_flags=tuple(_report(each, picture) for each in shown),
        ruled_out=tuple(_report(each, picture) for each in ruled_out(picture)),
        considerations=tuple(_consider(picture)),
        reasons=tuple(_evidence(item, picture) for item in picture.held),
        confidence=_confidence(limits, question is None),
        limits=limits,
    )


def _urgency(picture: Picture, verdicts: tuple[FlagVerdict, ...]) -> Urgency:
    levels = [_alone(picture, key) for key in picture.held]
    for verdict in verdicts:
        if verdict.state in (FlagState.FIRED, FlagState.ESCALATED):
            levels.append(verdict.rule.urgency)
        elif verdict.state is FlagState.POSSIBLE:
            levels.append(verdict.rule.urgency.relaxed())
    for key, truth in picture.truths.items():
        if truth is Truth.UNCERTAIN and picture.base.findings[key].kind is not Kind.BACKGROUND:
            levels.append(picture.base.findings[key].urgency.relaxed())
    if levels:
        return min(levels)
    # Words that were not understood may hide anything.
    return Urgency.ROUTINE if picture.conversation.facts else Urgency.URGENT


def _alone(picture: Picture, key: str) -> Urgency:
    """What a finding asks for by itself, by its severity; three weeks of it need a clinician."""
    finding, fact = picture.base.findings[key], picture.fact(key)
    if fact is None:
        return finding.urgency
    level = finding.urgency
    if fact.severity is Severity.SEVERE:
        level = min(finding.severe, finding.urgency)
    elif fact.severity is Severity.MILD:
        level = max(finding.mild, finding.urgency)
    lasting = fact.hours is not None and fact.hours >= _LONG and finding.kind is Kind.SYMPTOM
    return min(level, Urgency.ROUTINE) if lasting else level


def _advice(urgency: Urgency, shown: list[FlagVerdict]) -> str:
    leading = [v for v in shown if v.rule.urgency is urgency and v.state is not FlagState.POSSIBLE]
    return leading[0].rule.advice if leading else ADVICE[urgency]


def _limits(picture: Picture, verdicts: tuple[FlagVerdict, ...]) -> Iterable[Limit]:
    conversation = picture.conversation
    if picture.patient is None:
        yield Limit.NO_HISTORY
    if conversation.messages and not conversation.understood:
        yield Limit.NOT_UNDERSTOOD
    if picture.age_months is None:
        yield Limit.AGE_UNKNOWN
    if any(each.state is FlagState.POSSIBLE for each in verdicts):
        yield Limit.DOUBT_OPEN
    if any(each.state is FlagState.ESCALATED for each in verdicts):
        yield Limit.DOUBT_ASSUMED
    if any(
        fact.status is Status.FAMILY and picture.base.findings[key].urgency <= Urgency.EMERGENT
        for key, fact in conversation.facts.items()
    ):
        yield Limit.SOMEONE_ELSE


def _confidence(limits: tuple[Limit, ...], complete: bool) -> Confidence:
    if Limit.NOT_UNDERSTOOD in limits or Limit.DOUBT_OPEN in limits:
        return Confidence.LOW
    weakening = {Limit.NO_HISTORY, Limit.AGE_UNKNOWN, Limit.DOUBT_ASSUMED} & set(limits)
    if not weakening and complete:
        return Confidence.HIGH
    return Confidence.MEDIUM if len(weakening) + (not complete) <= 2 else Confidence.LOW


def _report(verdict: FlagVerdict, picture: Picture) -> FlagReport:
    items = verdict.form.items
    held = [i for i in items if judge_item(i, picture) >= Truth.ASSUMED]
    denied = [i for i in items if judge_item(i, picture) is Truth.FALSE]
    open_items = [i for group in missing(verdict.form, picture) for i in group]
    doubted = list(doubts(verdict.form, picture))
    rule = verdict.rule
    return FlagReport(
        rule.id,
        rule.name,
        verdict.state,
        rule.urgency,
        rule.advice,
        rule.source,
        tuple(_item_evidence(item, picture) for item in held),
        tuple(_item_evidence(item, picture) for item in denied),
        tuple(_item_evidence(item, picture) for item in open_items)
        + tuple(_evidence(key, picture) for key in doubted),
    )


def _item_evidence(item: Item, picture: Picture) -> Evidence:
    if item.finding:
        return _evidence(item.finding, picture)
    if item.subject == "sex":
        return Evidence("sex", "sex")
    bound = "at least" if item.test is Criterion.AGE_AT_LEAST else "under"
    years, months = divmod(int(item.value), 12)
    size = f"{months} months" if months else f"{years} years"
    return Evidence("age", f"age {bound} {size}")


def _evidence(key: str, picture: Picture) -> Evidence:
    finding, fact = picture.base.findings[key], picture.fact(key)
    said = _said(finding, picture, fact.status if fact else None)
    return Evidence(key, f"{finding.name}: {said}")


def _said(finding: Finding, picture: Picture, status: Status | None) -> str:
    truth = picture.truth(finding.id)
    if finding.id in picture.from_chart:
        return "in the chart"
    if truth is Truth.ASSUMED:
        return "could not be ruled out"
    if truth is Truth.UNCERTAIN:
        return "in doubt"
    if truth is Truth.TRUE:
        return "present" if status is not None else "follows from another finding"
    if truth is Truth.UNKNOWN:
        return "not known"
    if status is Status.PAST:
        return "over"
    return "of someone else" if status is Status.FAMILY else "absent"


def _consider(picture: Picture) -> Iterable[ConsiderationReport]:
    reports = []
    for order, view in enumerate(picture.base.considerations):
        speaks = [key for key in view.speaks_for if picture.truth(key) >= Truth.ASSUMED]
        symptoms = [k for k in speaks if picture.base.findings[k].kind is not Kind.BACKGROUND]
        against = [key for key in view.expected if picture.truth(key) is Truth.FALSE]
        against += [key for key in view.against if picture.truth(key) >= Truth.ASSUMED]
        if not symptoms:
            continue
        score = len(speaks) / len(view.speaks_for) + len(speaks) / 2 - len(against)
        report = ConsiderationReport(
            view.id,
            view.name,
            view.source,
            tuple(_evidence(key, picture) for key in speaks),
            tuple(_evidence(key, picture) for key in against),
        )
        reports.append((-score, order, report))
    return [report for _, _, report in sorted(reports, key=lambda each: each[:2])][
        :_MOST_CONSIDERATIONS
    ]
