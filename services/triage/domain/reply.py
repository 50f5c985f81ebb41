"""What a person is told after a message."""

from collections.abc import Iterable

from services.triage.domain.assessment import Assessment
from services.triage.domain.urgency import Urgency


def reply_of(assessment: Assessment) -> str:
    """The question, or the advice and what it is worth. What cannot wait is said before the question."""
    return " ".join(_parts(assessment))


def _parts(assessment: Assessment) -> Iterable[str]:
    if assessment.question is None or assessment.urgency <= Urgency.EMERGENT:
        yield assessment.advice
    yield assessment.question.text if assessment.question else assessment.disclaimer
