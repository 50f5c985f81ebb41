"""An optional call: nothing when the dependency does not answer, and a note that it did not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from plexus.client.inbound import Inbound, inbound
from plexus.client.spans import DEPENDENCY, REASON, note
from plexus.contract import Call, ContractError, Need
from plexus.errors import (
    DeadlineExceeded,
    Fault,
    Internal,
    NotFound,
    Overloaded,
    PlexusError,
    Unavailable,
)
from plexus.type.v1.degradation_pb2 import Degradation

Request = TypeVar("Request")
Response = TypeVar("Response")


def optional(
    call: Callable[[Request], Response],
    request: Request,
    *,
    missing: Fault | None = None,
    as_of: datetime | None = None,
) -> Response | None:
    """Make a call that the contract declares NEED_OPTIONAL.

    Returns None when the dependency does not answer, and notes a Degradation, which the server stack
    puts into the response; *as_of* is the age of a remembered value that is used in its place.
    Raises *missing* when the dependency answered NOT_FOUND, and any other business error as it is.
    """
    path: str = getattr(call, "path", "")
    work = inbound()
    stated = _stated(work, path)
    try:
        return call(request)
    except (Unavailable, Overloaded, DeadlineExceeded, Internal) as failure:
        note(
            "plexus.degraded",
            {DEPENDENCY: stated.method, "plexus.effect": stated.effect, REASON: failure.reason},
        )
        # Background work answers nobody: it makes up for what failed when its turn comes again.
        if work is not None and work.method is not None:
            work.degradations.append(_degradation(stated, failure, as_of))
        return None
    except NotFound:
        if missing is None:
            raise
        raise missing from None


def _stated(work: Inbound | None, path: str) -> Call:
    call = work.calls.get(path) if work else None
    if call is None or call.need is not Need.OPTIONAL:
        name = work.name if work else "nothing in progress"
        raise ContractError(f"{name} does not declare an optional call to {path}")
    return call


def _degradation(call: Call, failure: PlexusError, as_of: datetime | None) -> Degradation:
    noted = Degradation(dependency=call.method, effect=call.effect, reason=failure.reason)
    if as_of is not None:
        noted.as_of.FromDatetime(as_of)
    return noted
