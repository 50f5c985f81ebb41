"""What to ask next: first a red flag in doubt, then one that a single answer would decide."""

from collections import Counter
from collections.abc import Iterable

from services.triage.domain.conversation import About, Question, QuestionKind
from services.triage.domain.knowledge_base import Item, Kind
from services.triage.domain.language.assertion import Status
from services.triage.domain.rules import (
    FlagState,
    FlagVerdict,
    Picture,
    Truth,
    begun,
    doubts,
    judge_form,
    missing,
    quality_question,
)
from services.triage.domain.urgency import Urgency

MOST_QUESTIONS = 8
_MOST_CHOICES = 4
_MOST_TIMES = 2

OPENING = "What is troubling you? Say what you feel, since when, and how bad it is."
_OPENING_AGAIN = (
    "I did not understand which symptoms there are. Please name them in short words, for example "
    "'fever since yesterday' or 'pain in my chest'."
)
_WHOSE = "Is the person with these symptoms the patient this conversation is about?"
_AGE = "How old is the patient?"


def next_question(
    picture: Picture, verdicts: tuple[FlagVerdict, ...], urgency: Urgency
) -> Question | None:
    """The question that matters most, or None when enough is known to act on."""
    if urgency is Urgency.IMMEDIATE and _is_settled(verdicts):
        return None
    if not picture.conversation.facts:
        return _opening(picture)
    return (
        _about_doubt(picture, verdicts)
        or _about_open(picture, verdicts, urgency)
        or _about_present(picture)
    )


def _is_settled(verdicts: tuple[FlagVerdict, ...]) -> bool:
    return any(
        each.rule.urgency is Urgency.IMMEDIATE
        and each.state in (FlagState.FIRED, FlagState.ESCALATED)
        for each in verdicts
    )


def _opening(picture: Picture) -> Question:
    again = picture.conversation.messages > 0
    return Question(QuestionKind.OPENING, _OPENING_AGAIN if again else OPENING)


def _about_doubt(picture: Picture, verdicts: tuple[FlagVerdict, ...]) -> Question | None:
    acted_on = [
        v.rule.urgency for v in verdicts if v.state in (FlagState.FIRED, FlagState.ESCALATED)
    ]
    settled = min(acted_on, default=None)
    possible = [v for v in verdicts if v.state is FlagState.POSSIBLE]
    for verdict in sorted(possible, key=lambda each: each.rule.urgency):
        if settled is not None and settled <= verdict.rule.urgency:
            return None
        for finding in _doubtful(picture, verdict):
            question = _doubt_question(picture, finding, verdict.rule.id)
            if _may_ask(picture, question):
                return question
    return None


def _doubtful(picture: Picture, verdict: FlagVerdict) -> Iterable[str]:
    """The told doubts of a rule, narrower ones through the finding that was actually told."""
    for form in (verdict.form, *verdict.rule.when):
        if judge_form(form, picture) is not Truth.UNCERTAIN:
            continue
        for finding in doubts(form, picture):
            if finding in picture.conversation.facts:
                yield finding
            else:
                yield from _told_behind(picture, finding)


def _told_behind(picture: Picture, finding: str) -> Iterable[str]:
    for key in picture.conversation.facts:
        if finding in picture.base.findings[key].implies and picture.truth(key) is Truth.UNCERTAIN:
            yield key


def _doubt_question(picture: Picture, finding: str, rule: str) -> Question:
    fact = picture.fact(finding)
    known = picture.base.findings[finding]
    if fact is not None and fact.status is Status.FAMILY:
        return Question(QuestionKind.WHOSE, _WHOSE, red_flag=rule)
    if fact is not None and fact.status is Status.PAST:
        text = f"About {known.name}: was it there in the last day, or has it come back?"
        return Question(QuestionKind.FINDING, _to(picture, text), (finding,), rule)
    return Question(QuestionKind.FINDING, _to(picture, known.ask), (finding,), rule)


def _about_open(
    picture: Picture, verdicts: tuple[FlagVerdict, ...], urgency: Urgency
) -> Question | None:
    if len(picture.conversation.put) >= MOST_QUESTIONS:
        return None
    near = sorted(
        (v for v in verdicts if v.state is FlagState.OPEN and v.rule.urgency < urgency),
        key=lambda each: each.rule.urgency,
    )
    for level in sorted({each.rule.urgency for each in near}):
        question = _about_level(picture, [v for v in near if v.rule.urgency is level])
        if question is not None:
            return question
    return None


def _about_level(picture: Picture, verdicts: list[FlagVerdict]) -> Question | None:
    """One question for the rules of one urgency: a quality or the age, else a choice of findings."""
    choices: Counter[str] = Counter()
    rules: dict[str, str] = {}
    for verdict in verdicts:
        for item in _one_away(picture, verdict):
            single = _single_question(picture, item, verdict.rule.id)
            if single is not None and _may_ask(picture, single):
                return single
            finding = item.finding
            if single is None and finding and _is_askable(picture, finding):
                choices[finding] += 1
                rules.setdefault(finding, verdict.rule.id)
    if not choices:
        return None
    chosen = tuple(finding for finding, _ in choices.most_common(_MOST_CHOICES))
    rule = rules[chosen[0]]
    known = [picture.base.findings[each] for each in chosen]
    if len(chosen) == 1:
        return Question(QuestionKind.FINDING, _to(picture, known[0].ask), chosen, rule)
    listed = "; ".join(each.name for each in known)
    text = f"Is there any of these: {listed}? If so, say which."
    return Question(QuestionKind.ANY_OF, _to(picture, text), chosen, rule)


def _one_away(picture: Picture, verdict: FlagVerdict) -> Iterable[Item]:
    for form in verdict.rule.when:
        if judge_form(form, picture) is not Truth.UNKNOWN or not begun(form, picture):
            continue
        needed = missing(form, picture)
        if len(needed) == 1:
            yield from needed[0]


def _single_question(picture: Picture, item: Item, rule: str) -> Question | None:
    if item.subject == "age":
        return Question(QuestionKind.AGE, _AGE, red_flag=rule)
    kind = quality_question(item)
    if kind is None or picture.truth(item.subject) < Truth.UNCERTAIN:
        return None
    return _quality(picture, kind, item.subject, rule)


def _quality(picture: Picture, kind: QuestionKind, finding: str, rule: str = "") -> Question:
    name = picture.base.findings[finding].name
    text = {
        QuestionKind.SEVERITY: f"How bad is it ({name}), from 0 to 10?",
        QuestionKind.SUDDEN: f"Did it ({name}) start suddenly, within a few minutes?",
        QuestionKind.DURATION: f"How long has it been there ({name})?",
    }[kind]
    return Question(kind, _to(picture, text), (finding,), rule)


def _about_present(picture: Picture) -> Question | None:
    """Nothing dangerous is open: how long the first symptom has lasted, if nothing says so."""
    told = [key for key in picture.held if picture.base.findings[key].kind is Kind.SYMPTOM]
    if not told:
        return None if picture.held else _nothing_present(picture)
    if any((fact := picture.fact(key)) and fact.hours is not None for key in told):
        return None
    question = _quality(picture, QuestionKind.DURATION, told[0])
    unasked = question.key not in picture.conversation.put
    budget = len(picture.conversation.put) < MOST_QUESTIONS
    return question if unasked and budget else None


def _nothing_present(picture: Picture) -> Question | None:
    question = Question(QuestionKind.OPENING, OPENING)
    return question if picture.conversation.put.count(question.key) < _MOST_TIMES else None


def _is_askable(picture: Picture, finding: str) -> bool:
    """Not yet asked, and not a number that few people can measure at home."""
    if picture.base.findings[finding].kind is Kind.MEASURED:
        return False
    return not any(finding in key.split(":")[1:] for key in picture.conversation.put)


def _may_ask(picture: Picture, question: Question) -> bool:
    put = picture.conversation.put.count(question.key)
    return put < _MOST_TIMES and question.key not in picture.conversation.unsure


def _to(picture: Picture, text: str) -> str:
    if picture.conversation.about is About.OTHER:
        return f"For the person you are writing about: {text}"
    return text
