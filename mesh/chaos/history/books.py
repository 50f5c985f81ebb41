"""What the services hold when all is over, as they tell it through their own methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Change(Enum):
    """What an appointment's event tells, by the names of `plexus.scheduling.v1.AppointmentChange`."""

    BOOKED = "BOOKED"
    RESCHEDULED = "RESCHEDULED"
    CANCELLED = "CANCELLED"
    CHECKED_IN = "CHECKED_IN"
    COMPLETED = "COMPLETED"
    NO_SHOW = "NO_SHOW"
    PATIENT_VERIFIED = "PATIENT_VERIFIED"


@dataclass(frozen=True, slots=True)
class Appointment:
    """An appointment. *version* is its etag; *start* and *end* are Unix seconds."""

    id: str
    version: str
    practitioner: str
    start: int
    end: int
    holds_time: bool
    completed: bool


@dataclass(frozen=True, slots=True)
class Event:
    """One change of an appointment, and the appointment as it left it."""

    sequence: int
    change: Change
    appointment: Appointment


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim. Amounts are in minor units."""

    id: str
    appointment: str
    submitted: bool
    total: int
    paid: int


class Entered(Enum):
    """What a ledger entry is for."""

    CHARGE = "CHARGE"
    PAYMENT = "PAYMENT"
    TRANSFER = "TRANSFER"


@dataclass(frozen=True, slots=True)
class Entry:
    """A ledger entry: a positive *amount* is a debit."""

    transaction: str
    kind: Entered
    claim: str
    amount: int


@dataclass(frozen=True, slots=True)
class Filed:
    """What records holds of a patient: how many originals, and every resource told of as new."""

    originals: int
    created: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Followed:
    """What one reader of a feed saw, in the order it came: sequence and digest of each event."""

    feed: str
    follower: str
    seen: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Books:
    """Everything read back. *events*, *appointments* and *claims* are those of the storm's clinic;
    the ledger is whole; *filed* is by patient."""

    appointments: tuple[Appointment, ...] = ()
    events: tuple[Event, ...] = ()
    claims: tuple[Claim, ...] = ()
    ledger: tuple[Entry, ...] = ()
    filed: Mapping[str, Filed] = field(default_factory=dict)
    feeds: tuple[Followed, ...] = ()
