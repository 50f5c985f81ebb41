"""One operation of one client: what was asked, what came of it, and when."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What is asked."""

    BOOK = "book"
    RESCHEDULE = "reschedule"
    CANCEL = "cancel"
    CHECK_IN = "check in"
    COMPLETE = "complete"
    NO_SHOW = "no show"
    SUBMIT = "submit"
    PAY = "pay"
    IMPORT = "import"
    GET_APPOINTMENT = "get appointment"
    GET_CLAIM = "get claim"
    FIND_CLAIM = "find claim"
    GET_PATIENT = "get patient"


READS = frozenset({Kind.GET_APPOINTMENT, Kind.GET_CLAIM, Kind.FIND_CLAIM, Kind.GET_PATIENT})


class Status(Enum):
    """What came of it. UNKNOWN: it may have been done, or not, or may be done yet."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer says, without the patient.

    Appointments: *subject* the appointment, *version* its etag. Claims: the claim, and in *amount*
    what was paid for it so far. PAY: the claim, the payment in *version*, its *amount*. FIND_CLAIM:
    the claim, empty for none, and how many there were. IMPORT: the patient, and how many resources
    are in the record now. GET_PATIENT: the patient.
    """

    subject: str
    version: str = ""
    amount: int = 0


@dataclass(frozen=True, slots=True)
class Operation:
    """One invocation and its completion.

    *key* is the request id of a write, empty for a read; operations with the same key are the same
    request, sent again. *subject* is the appointment, claim or patient it names, or the slot it wants
    to book; *amount* the minor units it pays or the resources it imports. *began* and *ended* are on
    one monotonic clock. *reason* is the documented one of a refusal, or the status of what is unknown.
    """

    process: int
    kind: Kind
    key: str
    subject: str
    status: Status
    began: float
    ended: float
    amount: int = 0
    answer: Answer | None = None
    reason: str = ""


def slot_name(practitioner: str, start: int) -> str:
    """How a slot is named that begins at a Unix second."""
    return f"{practitioner}@{start}"
