"""What a call's failure means to whoever typed it: a cause and a mend."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mesh.runtime.errors import Mistake
from plexus.contract import ContractError, Reason, load, reasons
from plexus.errors import (
    Conflict,
    DeadlineExceeded,
    Invalid,
    NotFound,
    Overloaded,
    PlexusError,
    Refused,
    Unavailable,
    Unmet,
)

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor

_MENDS: tuple[tuple[type[PlexusError], str], ...] = (
    (Refused, "the caller may not do this"),
    (Invalid, "correct the request; `plexus contract show METHOD` tells its fields"),
    (NotFound, "check the id"),
    (Conflict, "somebody was first: read it again, then decide"),
    (Unmet, "read its state: it does not allow this now"),
    (Overloaded, "try again in a moment"),
    (Unavailable, "`plexus status` shows what is down, `plexus logs` why"),
    (DeadlineExceeded, "`plexus status` shows what is slow or hangs"),
    (PlexusError, "`plexus logs` of the service tells the cause"),
)

_CLOSED = "the method states no scope, so it is closed to the outside"


def mistake_of(error: Exception) -> Mistake | None:
    """The failure of a call, in two lines; None when *error* is something else."""
    if isinstance(error, ContractError):
        return Mistake(str(error), "`plexus call --list` shows every method")
    if not isinstance(error, PlexusError):
        return None
    return Mistake(error.details() or error.reason, _mend(error))


def _mend(error: PlexusError) -> str:
    """What the contract says to do about the reason, else what its kind suggests."""
    if error.reason == "CALLER_NOT_ALLOWED":
        return _CLOSED
    stated = {(r.domain, r.name): r.mend for enum in load().error_enums for r in _reasons(enum)}
    return stated.get((error.domain, error.reason)) or next(
        mend for kind, mend in _MENDS if isinstance(error, kind)
    )


def _reasons(enum: EnumDescriptor) -> Iterable[Reason]:
    return reasons(enum).values()
