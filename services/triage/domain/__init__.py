"""The triage engine: plain functions without I/O beyond the packaged knowledge base.

`begin` a conversation, `converse` with each message, store `to_json` of it between messages, and
`assess` at any time. The same messages and chart always give the same assessment.
"""

from dataclasses import replace

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
    Question,
    QuestionKind,
    from_json,
    to_json,
)
from services.triage.domain.hearing import hear
from services.triage.domain.knowledge_base import KnowledgeBase, KnowledgeError, load_knowledge
from services.triage.domain.patient import PatientContext, Sex
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


__all__ = [
    "ADVICE",
    "DISCLAIMER",
    "About",
    "Assessment",
    "Confidence",
    "ConsiderationReport",
    "Conversation",
    "Evidence",
    "FlagReport",
    "FlagState",
    "KnowledgeBase",
    "KnowledgeError",
    "Limit",
    "PatientContext",
    "Question",
    "QuestionKind",
    "Sex",
    "Urgency",
    "assess",
    "begin",
    "converse",
    "from_json",
    "load_knowledge",
    "to_json",
]
