"""How soon an appointment has to be, for one to be the answer."""

from datetime import timedelta
from types import MappingProxyType

from services.triage.domain.assessment import Assessment
from services.triage.domain.rules import FlagState
from services.triage.domain.urgency import Urgency

_LONGEST_WAIT = MappingProxyType(
    {Urgency.URGENT: timedelta(hours=24), Urgency.ROUTINE: timedelta(days=14)}
)


def longest_wait(assessment: Assessment) -> timedelta | None:
    """Within which time an appointment helps. None: it is not what is needed.

    An emergency needs another place, and while one is in doubt nobody should settle for an
    appointment. What can be looked after at home needs none.
    """
    in_doubt = any(
        flag.state is FlagState.POSSIBLE and flag.urgency <= Urgency.EMERGENT
        for flag in assessment.red_flags
    )
    return None if in_doubt else _LONGEST_WAIT.get(assessment.urgency)
