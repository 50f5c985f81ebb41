"""Between the words of the contract and those of the engine."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from plexus.triage.v1 import assessment_pb2 as api
from plexus.triage.v1 import conversation_pb2
from plexus.triage.v1.conversation_pb2 import ConversationState, Speaker
from services.triage.domain import (
    About,
    Assessment,
    Confidence,
    ConsiderationReport,
    Conversation,
    Evidence,
    Fact,
    FlagReport,
    FlagState,
    Limit,
    Severity,
    Status,
    knowledge_version,
    load_knowledge,
)
from services.triage.store.conversations import Kept, Remembered, Said

ABOUT = {
    Speaker.SPEAKER_UNSPECIFIED: About.UNSTATED,
    Speaker.SPEAKER_PATIENT: About.SELF,
    Speaker.SPEAKER_CAREGIVER: About.OTHER,
}
_FLAG_STATUS = {
    FlagState.FIRED: api.RED_FLAG_STATUS_FOUND,
    FlagState.ESCALATED: api.RED_FLAG_STATUS_ASSUMED,
    FlagState.POSSIBLE: api.RED_FLAG_STATUS_POSSIBLE,
    FlagState.CLEARED: api.RED_FLAG_STATUS_RULED_OUT,
}
_ASSERTION = {
    Status.PRESENT: api.ASSERTION_PRESENT,
    Status.ABSENT: api.ASSERTION_ABSENT,
    Status.UNCERTAIN: api.ASSERTION_UNCERTAIN,
    Status.FAMILY: api.ASSERTION_FAMILY,
    Status.PAST: api.ASSERTION_PAST,
}
_SEVERITY = {
    None: api.SEVERITY_UNSPECIFIED,
    Severity.MILD: api.SEVERITY_MILD,
    Severity.MODERATE: api.SEVERITY_MODERATE,
    Severity.SEVERE: api.SEVERITY_SEVERE,
}
_LIMIT = {
    Limit.NO_HISTORY: api.ASSESSMENT_LIMIT_NO_HISTORY,
    Limit.NOT_UNDERSTOOD: api.ASSESSMENT_LIMIT_NOT_UNDERSTOOD,
    Limit.AGE_UNKNOWN: api.ASSESSMENT_LIMIT_AGE_UNKNOWN,
    Limit.DOUBT_OPEN: api.ASSESSMENT_LIMIT_DOUBT_OPEN,
    Limit.DOUBT_ASSUMED: api.ASSESSMENT_LIMIT_DOUBT_ASSUMED,
    Limit.SOMEONE_ELSE: api.ASSESSMENT_LIMIT_SOMEONE_ELSE,
}
# The engine knows three levels of confidence. Within one, each limit and an open question take a
# part off, so that an assessment that lacks something never ranks as high as one that does not.
_MOST_CONFIDENT = {Confidence.HIGH: 0.9, Confidence.MEDIUM: 0.7, Confidence.LOW: 0.4}
_LIMITED, _ASKING = 0.85, 0.9


def conversation_message(kept: Kept, said: Iterable[Said]) -> conversation_pb2.Conversation:
    """A conversation for the wire."""
    waits = kept.talk.pending is not None or not kept.talk.messages
    return conversation_pb2.Conversation(
        id=kept.id,
        patient_id=kept.patient_id,
        speaker=kept.speaker,
        state=ConversationState.CONVERSATION_STATE_ASKING
        if waits
        else ConversationState.CONVERSATION_STATE_ADVISED,
        turns=[
            conversation_pb2.Turn(author=each.author, text=each.text, time=_timestamp(each.time))
            for each in said
        ],
        create_time=_timestamp(kept.create_time),
        update_time=_timestamp(kept.update_time),
    )


def assessment_message(
    talk: Conversation, assessed: Assessment, chart: Remembered | None
) -> api.Assessment:
    """An assessment for the wire, with what was understood and what it was assessed on."""
    flags = (*assessed.red_flags, *assessed.ruled_out)
    return api.Assessment(
        urgency=api.Urgency.ValueType(assessed.urgency),
        advice=assessed.advice,
        red_flags=[_red_flag(each) for each in flags],
        findings=[_finding(key, fact) for key, fact in talk.facts.items()],
        considerations=[_consideration(each) for each in assessed.considerations],
        confidence=_confidence(assessed),
        next_question=assessed.question.text if assessed.question else "",
        disclaimer=assessed.disclaimer,
        knowledge_version=knowledge_version(),
        record_used=chart is not None,
        record_read_time=_timestamp(chart.read_time) if chart else None,
        limits=[_LIMIT[each] for each in assessed.limits],
        reasons=_texts(assessed.reasons),
    )


def _red_flag(flag: FlagReport) -> api.RedFlag:
    return api.RedFlag(
        id=flag.id,
        name=flag.name,
        status=_FLAG_STATUS[flag.state],
        urgency=api.Urgency.ValueType(flag.urgency),
        source=load_knowledge().sources[flag.source],
        evidence_for=_texts(flag.speaks_for),
        evidence_against=_texts(flag.against),
        evidence_missing=_texts(flag.unknown),
    )


def _finding(key: str, fact: Fact) -> api.Finding:
    known = load_knowledge()
    finding = known.findings[key]
    return api.Finding(
        id=key,
        name=finding.name,
        assertion=api.ASSERTION_UNCERTAIN if fact.doubt else _ASSERTION[fact.status],
        duration_hours=fact.hours or 0,
        severity=_SEVERITY[fact.severity],
        source=known.sources[finding.source],
    )


def _consideration(report: ConsiderationReport) -> api.Consideration:
    known = load_knowledge()
    asked = min(known.findings[each.id].urgency for each in report.speaks_for)
    return api.Consideration(
        id=report.id,
        name=report.name,
        urgency=api.Urgency.ValueType(asked),
        evidence_for=_texts(report.speaks_for),
        evidence_against=_texts(report.against),
        source=known.sources[report.source],
    )


def _confidence(assessed: Assessment) -> float:
    most = _MOST_CONFIDENT[assessed.confidence] * _LIMITED ** len(assessed.limits)
    return round(most if assessed.complete else most * _ASKING, 3)


def _texts(evidence: Iterable[Evidence]) -> list[str]:
    return [each.text for each in evidence]


def _timestamp(time: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(time)
    return timestamp
