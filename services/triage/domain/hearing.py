"""A message heard: from the conversation before it to the conversation after it."""

from dataclasses import replace

from services.triage.domain.conversation import (
    About,
    Conversation,
    Fact,
    Question,
    QuestionKind,
)
from services.triage.domain.knowledge_base import Finding, Kind, KnowledgeBase
from services.triage.domain.language.answers import Answer, find_answer
from services.triage.domain.language.assertion import OTHER, SELF, Status
from services.triage.domain.language.cues import CHILD_RELATIONS
from services.triage.domain.language.quantities import (
    HOURS,
    Measure,
    find_age_months,
    grade,
)
from services.triage.domain.language.reading import Mention, Reading, read_text
from services.triage.domain.language.tokens import normalise
from services.triage.domain.measurements import findings_of
from services.triage.domain.patient import MONTHS_PER_YEAR, PatientContext

_ADULT = 18 * MONTHS_PER_YEAR
_RECENT_HOURS = 7 * HOURS["day"]
_EVENT_COUNTS_HOURS = 30 * HOURS["day"]
_ASKED_ENOUGH = 2


def hear(
    conversation: Conversation, text: str, patient: PatientContext | None, base: KnowledgeBase
) -> Conversation:
    """Take in one message: the answer it opens with, then whatever else it says."""
    normal = normalise(text)
    answer, end = find_answer(text)
    pending = conversation.pending
    expects_answer = pending is not None and pending.kind is not QuestionKind.OPENING
    rest = normal[end:] if answer and expects_answer else normal
    reading = read_text(rest, base.lexicon)
    heard = _settle_subject(conversation, reading, patient)
    if (reading.age_months is not None and heard.about is not About.SELF) or _says_own_age(reading):
        heard = replace(heard, age_months=reading.age_months)
    said = _facts_of(reading, heard, patient, base)
    if pending is not None and expects_answer:
        heard = _answer(heard, pending, answer, reading, normal, set(said))
    heard = heard.with_facts(_merge(heard, said))
    return replace(
        heard,
        pending=None,
        messages=conversation.messages + 1,
        understood=conversation.understood or bool(heard.facts),
    )


def _says_own_age(reading: Reading) -> bool:
    return reading.age_months is not None and reading.subject in (SELF, None)


def _settle_subject(
    conversation: Conversation, reading: Reading, patient: PatientContext | None
) -> Conversation:
    """Let the first words say who the patient is, when nobody has."""
    who = reading.subject
    if conversation.about is About.OTHER and conversation.relation is None and _is_relation(who):
        return replace(conversation, relation=who)
    if conversation.about is not About.UNSTATED or who is None:
        return conversation
    if who == SELF:
        return replace(conversation, about=About.SELF)
    adult = patient is not None and (patient.age_months or 0) >= _ADULT
    if (adult and who in CHILD_RELATIONS) or all(_is_long_over(m) for m in reading.mentions):
        return conversation
    if any(m.status is Status.FAMILY for m in reading.mentions):
        return conversation
    return replace(conversation, about=About.OTHER, relation=who if _is_relation(who) else None)


def _is_long_over(mention: Mention) -> bool:
    return mention.over and (mention.hours is None or mention.hours > _RECENT_HOURS)


def _is_relation(who: str | None) -> bool:
    return who not in (None, SELF, OTHER)


def _facts_of(
    reading: Reading,
    conversation: Conversation,
    patient: PatientContext | None,
    base: KnowledgeBase,
) -> dict[str, Fact]:
    """The facts of one message. Said both ways in one breath, it is in doubt."""
    said: dict[str, Fact] = {}
    for mention in reading.mentions:
        fact = _fact_of(mention, conversation, base.findings[mention.finding])
        before = said.get(mention.finding)
        said[mention.finding] = _together(before, fact) if before else fact
    age = reading.age_months or conversation.age_months or (patient.age_months if patient else None)
    for finding, fact in findings_of(reading.measurements, age):
        if fact.status is Status.PRESENT or finding not in said:
            said[finding] = fact
    return said


def _together(before: Fact, after: Fact) -> Fact:
    if before.status is after.status:
        return replace(
            after,
            severity=after.severity or before.severity,
            hours=after.hours or before.hours,
            sudden=after.sudden or before.sudden,
        )
    statuses = {before.status, after.status}
    if Status.PRESENT in statuses and not statuses & {Status.ABSENT, Status.PAST}:
        return before if before.status is Status.PRESENT else after
    return replace(after, status=Status.UNCERTAIN)


def _fact_of(mention: Mention, conversation: Conversation, finding: Finding) -> Fact:
    status, doubt = mention.status, False
    if status is not Status.ABSENT and _is_someone_else(mention, conversation):
        recent = mention.hours is not None and mention.hours <= _RECENT_HOURS
        unclear = conversation.about is About.UNSTATED and status is not Status.FAMILY
        doubt = not mention.over or recent or unclear
        status, doubt = Status.FAMILY, doubt and mention.status is not Status.FAMILY
    elif status is Status.FAMILY:
        doubt = False
    else:
        status, doubt = _in_time(mention, finding)
    return Fact(status, doubt, mention.severity, mention.hours, mention.sudden or None)


def _in_time(mention: Mention, finding: Finding) -> tuple[Status, bool]:
    """Whether what is told as over is over, and if it may still matter now."""
    status, hours = mention.status, mention.hours
    if finding.kind is Kind.BACKGROUND:
        return (Status.PRESENT if status is Status.PAST else status), False
    long_ago = hours is not None and hours > _RECENT_HOURS
    if finding.kind is Kind.EVENT and status in (Status.PRESENT, Status.PAST):
        old = hours is not None and hours > _EVENT_COUNTS_HOURS
        return (Status.PAST, False) if old else (Status.PRESENT, False)
    if status is Status.PRESENT and mention.over and long_ago:
        return Status.PAST, False
    if status is Status.PAST:
        return Status.PAST, not long_ago
    return status, False


def _is_someone_else(mention: Mention, conversation: Conversation) -> bool:
    who = mention.subject
    if conversation.about is About.OTHER:
        known = conversation.relation
        return _is_relation(who) and known is not None and who != known
    return who not in (None, SELF)


def _merge(conversation: Conversation, said: dict[str, Fact]) -> dict[str, Fact]:
    """New over old; but denying, unasked, what was told as present leaves it in doubt."""
    merged: dict[str, Fact] = {}
    for finding, fact in said.items():
        before = conversation.facts.get(finding)
        if before is None:
            merged[finding] = fact
            continue
        kept = _together(before, fact) if before.status is fact.status else fact
        if before.status is Status.PRESENT and fact.status is Status.FAMILY:
            kept = before
        if before.status is Status.PRESENT and fact.status is Status.ABSENT:
            kept = replace(before, status=Status.UNCERTAIN)
        merged[finding] = kept
    return merged


def _answer(
    conversation: Conversation,
    pending: Question,
    answer: Answer | None,
    reading: Reading,
    normal: str,
    said: set[str],
) -> Conversation:
    """Apply the reply to the question put last; a reply that settles nothing may count as unsure."""
    match pending.kind:
        case QuestionKind.FINDING | QuestionKind.ANY_OF:
            return _answer_findings(conversation, pending, answer, said, reading)
        case QuestionKind.WHOSE:
            return _answer_whose(conversation, pending, answer, reading)
        case QuestionKind.AGE:
            age = reading.age_months if reading.age_months is not None else _bare_age(normal)
            if age is not None:
                return replace(conversation, age_months=age)
        case QuestionKind.SEVERITY | QuestionKind.DURATION | QuestionKind.SUDDEN:
            known = _quality(conversation, pending, answer, reading, normal)
            if known is not None:
                return conversation.with_facts({pending.findings[0]: known})
    return _unanswered(conversation, pending, answer)


def _answer_findings(
    conversation: Conversation,
    pending: Question,
    answer: Answer | None,
    said: set[str],
    reading: Reading,
) -> Conversation:
    if answer is None:
        if said & set(pending.findings):
            return conversation
        return _unanswered(conversation, pending, None)
    severity = next((grade(q.value) for q in reading.loose if q.measure is Measure.SEVERITY), None)
    hours = next((q.value for q in reading.loose if q.measure is Measure.DURATION), None)
    one = len(pending.findings) == 1
    status = {
        Answer.YES: Status.PRESENT if one else Status.UNCERTAIN,
        Answer.NO: Status.ABSENT,
        Answer.UNSURE: Status.UNCERTAIN,
    }[answer]
    new = {}
    for finding in pending.findings:
        before = conversation.facts.get(finding, Fact(status))
        if not one and answer is Answer.YES and said & set(pending.findings):
            continue
        new[finding] = replace(
            before,
            status=status,
            doubt=False,
            severity=severity or before.severity,
            hours=hours or before.hours,
        )
    heard = conversation.with_facts({k: v for k, v in new.items() if k not in said})
    # Unsure of a choice of several: each is now in doubt and is asked about by itself.
    if answer is Answer.UNSURE and one:
        return replace(heard, unsure=(*heard.unsure, pending.key))
    return heard


def _answer_whose(
    conversation: Conversation, pending: Question, answer: Answer | None, reading: Reading
) -> Conversation:
    """Yes: what was told of someone else is the patient's. No: it is not, and is over."""
    if answer is None and reading.subject == SELF and not reading.mentions:
        answer = Answer.NO
    if answer is None or answer is Answer.UNSURE:
        return _unanswered(conversation, pending, answer)
    status = Status.PRESENT if answer is Answer.YES else Status.FAMILY
    settled = {
        key: replace(fact, status=status, doubt=False)
        for key, fact in conversation.facts.items()
        if fact.status is Status.FAMILY and fact.doubt
    }
    about = About.OTHER if answer is Answer.YES else conversation.about
    return replace(conversation, about=about).with_facts(settled)


def _bare_age(normal: str) -> int | None:
    words = normal.split()
    if words and words[0].strip(".,").isdigit() and len(words) == 1:
        years = int(words[0].strip(".,"))
        return years * MONTHS_PER_YEAR if years <= 120 else None
    return find_age_months(f"{normal} old") if words else None


def _quality(
    conversation: Conversation,
    pending: Question,
    answer: Answer | None,
    reading: Reading,
    normal: str,
) -> Fact | None:
    before = conversation.facts.get(pending.findings[0], Fact(Status.PRESENT))
    values = {q.measure: q.value for q in reading.loose}
    if pending.kind is QuestionKind.SUDDEN:
        if Measure.SUDDEN in values or answer is Answer.YES:
            return replace(before, sudden=True)
        gradual = {"gradual", "gradually", "slowly", "slow"} & set(normal.split())
        return replace(before, sudden=False) if answer is Answer.NO or gradual else None
    if pending.kind is QuestionKind.DURATION:
        hours = values.get(Measure.DURATION)
        return replace(before, hours=hours) if hours is not None else None
    bare = normal.strip(" .")
    score = values.get(Measure.SEVERITY)
    if score is None and bare.isdigit() and int(bare) <= 10:
        score = float(bare)
    return replace(before, severity=grade(score)) if score is not None else None


def _unanswered(
    conversation: Conversation, pending: Question, answer: Answer | None
) -> Conversation:
    """Not sure, or asked in vain often enough: the doubt now counts as it stands."""
    put = conversation.put.count(pending.key)
    if answer is Answer.UNSURE or (pending.red_flag and put >= _ASKED_ENOUGH):
        return replace(conversation, unsure=(*conversation.unsure, pending.key))
    return conversation
