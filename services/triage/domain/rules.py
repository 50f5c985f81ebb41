"""Red-flag rules over what is known, in a logic that keeps doubt apart from ignorance."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from services.triage.domain.conversation import About, Conversation, Fact, QuestionKind
from services.triage.domain.knowledge_base import (
    Criterion,
    Finding,
    Form,
    Item,
    Kind,
    KnowledgeBase,
    RedFlag,
)
from services.triage.domain.language.assertion import Status
from services.triage.domain.language.quantities import Severity
from services.triage.domain.language.tokens import words
from services.triage.domain.patient import MONTHS_PER_YEAR, PatientContext, Sex

_WRITES_FOR_SELF_FROM = 12 * MONTHS_PER_YEAR
_MAY_BE_PREGNANT = (10 * MONTHS_PER_YEAR, 56 * MONTHS_PER_YEAR)
_MALE = words(
    """
    father son husband brother grandfather uncle nephew grandson boyfriend
    """
)
_FEMALE = words(
    """
    mother daughter wife sister grandmother aunt niece girlfriend
    """
)
_PREGNANCY = frozenset({"pregnant", "missed_period", "recently_gave_birth"})


class Truth(IntEnum):
    """Ordered so that ``min`` is "and" and ``max`` is "or".

    UNKNOWN was never spoken of; UNCERTAIN was, and is in doubt; ASSUMED is a doubt that asking
    could not settle, and counts as true for safety.
    """

    FALSE = 0
    UNKNOWN = 1
    UNCERTAIN = 2
    ASSUMED = 3
    TRUE = 4


class FlagState(StrEnum):
    FIRED = "fired"
    ESCALATED = "escalated"  # in doubt, could not be settled: acted on as if it were true
    POSSIBLE = "possible"  # in doubt, to be asked
    OPEN = "open"  # one answer away
    CLEARED = "cleared"


_STATE = {
    Truth.TRUE: FlagState.FIRED,
    Truth.ASSUMED: FlagState.ESCALATED,
    Truth.UNCERTAIN: FlagState.POSSIBLE,
    Truth.UNKNOWN: FlagState.OPEN,
    Truth.FALSE: FlagState.CLEARED,
}


@dataclass(frozen=True)
class Picture:
    """All that is known: what was said, what that implies, and what the chart adds."""

    conversation: Conversation
    patient: PatientContext | None
    base: KnowledgeBase
    truths: Mapping[str, Truth]
    from_chart: frozenset[str]
    age_months: int | None
    sex: Sex | None

    def truth(self, finding: str) -> Truth:
        return self.truths.get(finding, Truth.UNKNOWN)

    def fact(self, finding: str) -> Fact | None:
        return self.conversation.facts.get(finding)

    def is_unsure(self, kind: QuestionKind, *findings: str) -> bool:
        return ":".join((kind, *findings)) in self.conversation.unsure

    @property
    def held(self) -> tuple[str, ...]:
        """Symptoms that are true or acted on as true, in the knowledge base's order."""
        return tuple(
            key
            for key, finding in self.base.findings.items()
            if self.truth(key) >= Truth.ASSUMED and finding.kind is not Kind.BACKGROUND
        )


def draw_picture(
    conversation: Conversation, patient: PatientContext | None, base: KnowledgeBase
) -> Picture:
    """Join the conversation and the chart; what was said outweighs what is charted."""
    sex = patient.sex if patient else None
    if sex is None and conversation.relation:
        relation = conversation.relation
        sex = Sex.MALE if relation in _MALE else Sex.FEMALE if relation in _FEMALE else None
    age = conversation.age_months
    if age is None and patient is not None:
        age = patient.age_months
    truths = {key: _told(key, fact, conversation) for key, fact in conversation.facts.items()}
    for key in conversation.unsure:
        kind, _, finding = key.partition(":")
        if kind == QuestionKind.FINDING and finding not in truths:
            truths[finding] = Truth.ASSUMED
    _imply(truths, base)
    charted = {
        key: known
        for key, finding in base.findings.items()
        if finding.kind is Kind.BACKGROUND
        and key not in truths
        and (known := _charted(finding, patient, age, sex)) is not None
    }
    return Picture(
        conversation,
        patient,
        base,
        {**truths, **charted},
        frozenset(key for key, known in charted.items() if known is Truth.TRUE),
        age,
        sex,
    )


def _told(finding: str, fact: Fact, conversation: Conversation) -> Truth:
    if fact.status is Status.PRESENT:
        return Truth.TRUE
    if fact.status is Status.ABSENT:
        return Truth.FALSE
    if fact.status is not Status.UNCERTAIN and not fact.doubt:
        return Truth.FALSE
    settled = {f"{QuestionKind.FINDING}:{finding}"}
    if fact.status is Status.FAMILY:
        settled.add(QuestionKind.WHOSE)
    return Truth.ASSUMED if settled & set(conversation.unsure) else Truth.UNCERTAIN


def _imply(truths: dict[str, Truth], base: KnowledgeBase) -> None:
    """Crushing chest pain is chest pain; without vomiting nobody vomits blood."""
    changed = True
    while changed:
        changed = False
        for key, finding in base.findings.items():
            for wider in finding.implies:
                here, there = truths.get(key), truths.get(wider)
                if here is not None and here >= Truth.UNCERTAIN and (there or 0) < here:
                    truths[wider], changed = here, True
                if here is None and there is Truth.FALSE:
                    truths[key], changed = Truth.FALSE, True


def _charted(
    finding: Finding, patient: PatientContext | None, age: int | None, sex: Sex | None
) -> Truth | None:
    if finding.id in _PREGNANCY:
        first, last = _MAY_BE_PREGNANT
        if sex is Sex.MALE or (age is not None and not first <= age < last):
            return Truth.FALSE
        if finding.id == "pregnant" and patient is not None and patient.pregnant is not None:
            return Truth.TRUE if patient.pregnant else Truth.UNKNOWN
    if patient is None or not finding.chart:
        return None
    if any(_names(entry, finding.chart) for entry in (*patient.conditions, *patient.medications)):
        return Truth.TRUE
    return None if finding.id in _PREGNANCY else Truth.FALSE


def _names(entry: str, terms: tuple[str, ...]) -> bool:
    plain = f" {' '.join(entry.lower().replace('(', ' ').replace(')', ' ').split())} "
    if plain.startswith((" family history", " no ", " screening")):
        return False
    return any(f" {term}" in plain for term in terms)


def judge_item(item: Item, picture: Picture) -> Truth:
    match item.test:
        case Criterion.AGE_AT_LEAST | Criterion.AGE_UNDER:
            return _judge_age(item, picture)
        case Criterion.SEX_IS:
            if picture.sex is None:
                return Truth.UNKNOWN
            return Truth.TRUE if picture.sex == item.sex else Truth.FALSE
        case Criterion.HELD:
            return picture.truth(item.subject)
    return min(picture.truth(item.subject), _judge_quality(item, picture))


def _judge_age(item: Item, picture: Picture) -> Truth:
    age = picture.age_months
    if age is None:
        speaks = picture.conversation.about is About.SELF and item.test is Criterion.AGE_UNDER
        if speaks and item.value <= _WRITES_FOR_SELF_FROM:
            return Truth.FALSE
        return Truth.ASSUMED if picture.is_unsure(QuestionKind.AGE) else Truth.UNKNOWN
    holds = age >= item.value if item.test is Criterion.AGE_AT_LEAST else age < item.value
    return Truth.TRUE if holds else Truth.FALSE


_QUALITY = {
    Criterion.SEVERE: QuestionKind.SEVERITY,
    Criterion.SUDDEN: QuestionKind.SUDDEN,
    Criterion.LASTS_AT_LEAST: QuestionKind.DURATION,
    Criterion.LASTS_AT_MOST: QuestionKind.DURATION,
}


def quality_question(item: Item) -> QuestionKind | None:
    """The question that would settle the quality an item tests."""
    return _QUALITY.get(item.test)


def _judge_quality(item: Item, picture: Picture) -> Truth:
    fact = picture.fact(item.subject)
    known: bool | None = None
    if fact is not None and item.test is Criterion.SEVERE and fact.severity is not None:
        known = fact.severity is Severity.SEVERE
    if fact is not None and item.test is Criterion.SUDDEN:
        known = fact.sudden
    if fact is not None and fact.hours is not None and item.test is Criterion.LASTS_AT_LEAST:
        known = fact.hours >= item.value
    if fact is not None and fact.hours is not None and item.test is Criterion.LASTS_AT_MOST:
        known = fact.hours <= item.value
    if known is None:
        return (
            Truth.ASSUMED if picture.is_unsure(_QUALITY[item.test], item.subject) else Truth.UNKNOWN
        )
    return Truth.TRUE if known else Truth.FALSE


def judge_form(form: Form, picture: Picture) -> Truth:
    parts = [judge_item(item, picture) for item in form.every]
    if form.any_of:
        parts.append(max(judge_item(item, picture) for item in form.any_of))
    return min(parts)


@dataclass(frozen=True, slots=True)
class FlagVerdict:
    """A rule with its state. ``form`` is the one that came closest."""

    rule: RedFlag
    state: FlagState
    form: Form


def judge_flags(picture: Picture) -> tuple[FlagVerdict, ...]:
    """Every rule that is not cleared, in the knowledge base's order."""
    # The others are clear: nothing that is part of them has been spoken of or charted.
    near: set[str] = set()
    for key, truth in picture.truths.items():
        if truth >= Truth.UNCERTAIN:
            near |= picture.base.rules_touched[key]
    verdicts = (_judge(rule, picture) for rule in picture.base.red_flags if rule.id in near)
    return tuple(each for each in verdicts if each.state is not FlagState.CLEARED)


def ruled_out(picture: Picture) -> tuple[FlagVerdict, ...]:
    """The rules that are cleared because something they need was asked about and denied."""
    asked = {part for key in picture.conversation.put for part in key.split(":")[1:]}
    denied = {key for key in asked if picture.truth(key) is Truth.FALSE}
    if not denied:
        return ()
    near = (
        (rule, form)
        for rule in picture.base.red_flags
        if (form := _first_with(denied, rule)) and _judge(rule, picture).state is FlagState.CLEARED
    )
    return tuple(FlagVerdict(rule, FlagState.CLEARED, form) for rule, form in near)


def _first_with(findings: Set[str], rule: RedFlag) -> Form | None:
    forms = (f for f in rule.when if any(item.finding in findings for item in f.items))
    return next(forms, None)


def _judge(rule: RedFlag, picture: Picture) -> FlagVerdict:
    judged = [(judge_form(form, picture), form) for form in rule.when]
    truth, form = max(judged, key=lambda each: each[0])
    if truth is not Truth.UNKNOWN:
        return FlagVerdict(rule, _STATE[truth], form)
    open_forms = [form for truth, form in judged if truth is Truth.UNKNOWN and begun(form, picture)]
    if not open_forms:
        return FlagVerdict(rule, FlagState.CLEARED, form)
    return FlagVerdict(
        rule, FlagState.OPEN, min(open_forms, key=lambda f: len(missing(f, picture)))
    )


def begun(form: Form, picture: Picture) -> bool:
    """Whether a symptom of the form, or a wider one, has been spoken of.

    A background alone begins nothing; chest pain begins crushing chest pain.
    """
    findings = picture.base.findings
    return any(
        picture.truth(key) >= Truth.UNCERTAIN and findings[key].kind is not Kind.BACKGROUND
        for item in form.items
        if item.finding
        for key in (item.finding, *findings[item.finding].implies)
    )


def missing(form: Form, picture: Picture) -> tuple[tuple[Item, ...], ...]:
    """What still has to be known: each a single item, or the choice of an "any"."""
    needed: list[tuple[Item, ...]] = [(item,) for item in form.every if _is_open(item, picture)]
    if form.any_of and max(judge_item(i, picture) for i in form.any_of) is Truth.UNKNOWN:
        needed.append(tuple(item for item in form.any_of if _is_open(item, picture)))
    return tuple(needed)


def _is_open(item: Item, picture: Picture) -> bool:
    return judge_item(item, picture) is Truth.UNKNOWN


def doubts(form: Form, picture: Picture) -> Iterable[str]:
    """The findings of a form that are in doubt and may still be asked about."""
    for item in form.items:
        if item.finding and picture.truth(item.finding) is Truth.UNCERTAIN:
            yield item.finding
