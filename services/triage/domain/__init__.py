"""The triage engine: plain functions without I/O beyond the packaged knowledge base.

`begin` a conversation, `converse` with each message, store `to_json` of it between messages, and
`assess` at any time. The same messages and chart always give the same assessment.
"""

from dataclasses import replace

from services.triage.domain.appointments import longest_wait
from services.triage.domain.assessment import (
    Assessment,
    Confidence,
    ConsiderationReport,
    Evidence,
    FlagReport,
    Limit,
    assess,
)
from services.triage.domain.conversation import (
    About,
    Conversation,
    Fact,
    Question,
    QuestionKind,
    from_json,
    to_json,
)
from services.triage.domain.hearing import hear
from services.triage.domain.knowledge_base import (
    KnowledgeBase,
    KnowledgeError,
    knowledge_version,
    load_knowledge,
)
from services.triage.domain.language.assertion import Status
from services.triage.domain.language.quantities import Severity
from services.triage.domain.patient import MONTHS_PER_YEAR, PatientContext, Sex
from services.triage.domain.questions import OPENING
from services.triage.domain.reply import reply_of
from services.triage.domain.rules import FlagState
from services.triage.domain.urgency import ADVICE, DISCLAIMER, Urgency


def begin(about: About = About.UNSTATED) -> Conversation:
    """An empty conversation. ``about``: whether the writer is the patient, when that is known."""
    return Conversation(about=about)


def converse(
    conversation: Conversation, text: str, patient: PatientContext | None = None
) -> tuple[Conversation, Assessment]:
    """Take in one message and assess; the question of the assessment is now the pending one."""
    heard = hear(conversation, text, patient, load_knowledge())
    assessment = assess(heard, patient)
    question = assessment.question
    put = (*heard.put, question.key) if question else heard.put
    return replace(heard, pending=question, put=put), assessment


def reassess(conversation: Conversation, patient: PatientContext | None = None) -> Assessment:
    """The assessment that `converse` gave with this conversation, its pending question included."""
    put = conversation.put[:-1] if conversation.pending else conversation.put
    return assess(replace(conversation, put=put), patient)


__all__ = [
    "ADVICE",
    "DISCLAIMER",
    "MONTHS_PER_YEAR",
    "OPENING",
    "About",
    "Assessment",
    "Confidence",
    "ConsiderationReport",
    "Conversation",
    "Evidence",
    "Fact",
    "FlagReport",
    "FlagState",
    "KnowledgeBase",
    "KnowledgeError",
    "Limit",
    "PatientContext",
    "Question",
    "QuestionKind",
    "Severity",
    "Sex",
    "Status",
    "Urgency",
    "assess",
    "begin",
    "converse",
    "from_json",
    "knowledge_version",
    "load_knowledge",
    "longest_wait",
    "reassess",
    "reply_of",
    "to_json",
]
