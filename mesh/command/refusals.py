"""What a call's failure means to whoever typed it: a cause and a mend."""

from __future__ import annotations

from mesh.runtime.errors import Mistake
from plexus.contract import ContractError
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

_MENDS: tuple[tuple[type[PlexusError], str], ...] = (
    (Invalid, "correct the request; `plexus contract show METHOD` tells its fields"),
    (NotFound, "check the id"),
    (Conflict, "somebody was first: read it again, then decide"),
    (Unmet, "read its state: it does not allow this now"),
    (Overloaded, "try again in a moment"),
    (Unavailable, "`plexus status` shows what is down, `plexus logs` why"),
    (DeadlineExceeded, "`plexus status` shows what is slow or hangs"),
    (PlexusError, "`plexus logs` of the service tells the cause"),
)

_REFUSED = {
    "CALLER_NOT_ALLOWED": "the method states no scope, so it is closed to the outside",
    "SCOPE_MISSING": "ask for a token with that scope",
    "TOKEN_INVALID": "run it again: a fresh token is made",
}


def mistake_of(error: Exception) -> Mistake | None:
    """The failure of a call, in two lines; None when *error* is something else."""
    if isinstance(error, ContractError):
        return Mistake(str(error), "`plexus call --list` shows every method")
    if not isinstance(error, PlexusError):
        return None
    return Mistake(error.details() or error.reason, _mend(error))


def _mend(error: PlexusError) -> str:
    if isinstance(error, Refused):
        return _REFUSED.get(error.reason, "the caller may not do this")
    return next(mend for kind, mend in _MENDS if isinstance(error, kind))
