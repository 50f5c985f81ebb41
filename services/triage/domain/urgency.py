"""The five urgency levels and what each asks for.

The levels line up one to one with the Emergency Severity Index (ESI handbook, 5th edition) and
with the colours of the Manchester Triage System (Emergency Triage, 3rd edition):

=========  ===  ======================  =====================================
level      ESI  MTS (time to be seen)   what it asks for, from home
=========  ===  ======================  =====================================
IMMEDIATE  1    red (at once)           call the emergency number now
EMERGENT   2    orange (10 min)         go to an emergency department now
URGENT     3    yellow (60 min)         be seen today
ROUTINE    4    green (120 min)         appointment in the next days
SELF_CARE  5    blue (240 min)          look after it at home, know when to return
=========  ===  ======================  =====================================
"""

from enum import IntEnum
from types import MappingProxyType


class Urgency(IntEnum):
    """Lower is more urgent, so ``min`` of several levels is the one that governs."""

    IMMEDIATE = 1
    EMERGENT = 2
    URGENT = 3
    ROUTINE = 4
    SELF_CARE = 5

    def relaxed(self) -> "Urgency":
        """One level less urgent: what an unanswered doubt about this level weighs meanwhile."""
        return Urgency(min(self + 1, Urgency.SELF_CARE))


ADVICE = MappingProxyType(
    {
        Urgency.IMMEDIATE: "Call the emergency number now. Do not drive yourself.",
        Urgency.EMERGENT: "Go to an emergency department now, or call the emergency number if you "
        "cannot get there safely.",
        Urgency.URGENT: "You should be seen by a clinician today.",
        Urgency.ROUTINE: "Book an appointment in the next few days. Come back sooner if it gets "
        "worse.",
        Urgency.SELF_CARE: "This can usually be looked after at home, with a pharmacist's help. "
        "Come back if it gets worse or new symptoms appear.",
    }
)

DISCLAIMER = (
    "This is decision support, not a diagnosis, and does not replace a clinician. "
    "If you feel very unwell or get worse, call the emergency number."
)
