"""A message read whole: what it mentions and asserts, how long, how bad, how old, which vitals."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from services.triage.domain.language.assertion import (
    Asserted,
    Status,
    assert_sentence,
    says_it_is_back,
    says_it_is_over,
)
from services.triage.domain.language.cues import texts
from services.triage.domain.language.lexicon import Lexicon, find_spans
from services.triage.domain.language.quantities import (
    Measure,
    Quantity,
    Severity,
    find_age_months,
    find_quantities,
    grade,
)
from services.triage.domain.language.tokens import Token, normalise, split_sentences, tokenise

_ATTRIBUTES = (Measure.DURATION, Measure.SEVERITY, Measure.SUDDEN)


@dataclass(frozen=True, slots=True)
class Mention:
    """One symptom in a message. ``hours`` is how long ago it began, ``subject`` who has it."""

    finding: str
    status: Status
    subject: str | None = None
    over: bool = False
    severity: Severity | None = None
    hours: float | None = None
    sudden: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """``loose`` are durations, severities and onsets said of no symptom in this message."""

    mentions: tuple[Mention, ...]
    loose: tuple[Quantity, ...]
    measurements: tuple[Quantity, ...]
    age_months: int | None
    subject: str | None


@dataclass(slots=True)
class _Placed:
    """A mention with its place: characters, sentence and clause."""

    mention: Mention
    start: int
    end: int
    clause: tuple[int, int]


def read_text(text: str, lexicon: Lexicon) -> Reading:
    """Read a message. The same text always gives the same reading."""
    normal = normalise(text)
    placed: list[_Placed] = []
    places: list[tuple[int, int, tuple[int, int]]] = []
    subject: str | None = None
    for number, sentence in enumerate(split_sentences(tokenise(normal))):
        spans = find_spans(sentence, lexicon)
        asserted, subject, clauses = assert_sentence(sentence, spans, subject)
        new = [_place(each, sentence, number) for each in asserted]
        _end_what_is_over(placed, new, sentence, clauses, number)
        placed += new
        places += [(t.start, t.end, (number, c)) for t, c in zip(sentence, clauses, strict=True)]
    quantities = find_quantities(normal)
    loose = _attach(quantities, placed, places)
    return Reading(
        tuple(each.mention for each in placed),
        loose,
        tuple(q for q in quantities if q.measure not in _ATTRIBUTES),
        find_age_months(normal),
        _speaker(placed, subject),
    )


def _place(asserted: Asserted, sentence: tuple[Token, ...], number: int) -> _Placed:
    span = asserted.span
    status = asserted.status
    if span.misspelt and len(span.words) == 1 and status is Status.PRESENT:
        # One misspelt word is a guess at what was meant: worth a question, not a conclusion.
        status = Status.UNCERTAIN
    mention = Mention(span.finding, status, asserted.subject, asserted.over)
    return _Placed(
        mention, sentence[span.first].start, sentence[span.last].end, (number, asserted.clause)
    )


def _end_what_is_over(
    earlier: list[_Placed],
    new: list[_Placed],
    sentence: tuple[Token, ...],
    clauses: tuple[int, ...],
    number: int,
) -> None:
    """Apply "it went away" of a clause without a symptom to the symptom before it."""
    for clause in range(clauses[-1] + 1):
        if any(each.clause == (number, clause) for each in new):
            continue
        words = texts(tuple(t for t, c in zip(sentence, clauses, strict=True) if c == clause))
        before = earlier + [each for each in new if each.clause[1] < clause]
        if before and says_it_is_back(words):
            _bring_back(before)
        if not before or not says_it_is_over(words):
            continue
        last = before[-1].clause
        for each in before:
            ended = {"both", "all", "everything", "symptoms", "they"} & set(words)
            if (each.clause == last or ended) and each.mention.status is Status.PRESENT:
                each.mention = replace(each.mention, status=Status.PAST)


def _bring_back(before: list[_Placed]) -> None:
    for each in before:
        if each.mention.status is Status.PAST:
            each.mention = replace(each.mention, status=Status.PRESENT)


def _attach(
    quantities: Iterable[Quantity],
    placed: list[_Placed],
    places: list[tuple[int, int, tuple[int, int]]],
) -> tuple[Quantity, ...]:
    loose = []
    for quantity in quantities:
        if quantity.measure not in _ATTRIBUTES:
            continue
        targets = _targets(quantity, placed, places)
        for each in targets:
            each.mention = _with(each.mention, quantity)
        if not targets:
            loose.append(quantity)
    return tuple(loose)


def _targets(
    quantity: Quantity, placed: list[_Placed], places: list[tuple[int, int, tuple[int, int]]]
) -> list[_Placed]:
    clause = next((c for start, end, c in places if start <= quantity.start < end), None)
    near = [each for each in placed if each.clause == clause]
    own_clause = bool(near)
    if not near and clause is not None:
        earlier = [each for each in placed if each.clause < clause] or placed
        near = [each for each in earlier if each.clause == earlier[-1].clause]
    if quantity.measure is Measure.SEVERITY and own_clause:
        return [min(near, key=lambda each: _distance(each, quantity))]
    return near


def _distance(placed: _Placed, quantity: Quantity) -> int:
    return max(placed.start - quantity.end, quantity.start - placed.end, 0)


def _with(mention: Mention, quantity: Quantity) -> Mention:
    if quantity.measure is Measure.SUDDEN:
        return replace(mention, sudden=True)
    if quantity.measure is Measure.DURATION:
        return replace(mention, hours=max(quantity.value, mention.hours or 0.0))
    graded = grade(quantity.value)
    worst = max(graded, mention.severity or graded, key=list(Severity).index)
    return replace(mention, severity=worst)


def _speaker(placed: list[_Placed], last: str | None) -> str | None:
    subjects = [each.mention.subject for each in placed if each.mention.subject]
    return subjects[0] if subjects else last
