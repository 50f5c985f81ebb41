"""Calls of the demo itself, which has more patience than a patient: a busy machine is no failure."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from plexus.errors import DeadlineExceeded, Overloaded, Unavailable

Request = TypeVar("Request", bound=Any)
Response = TypeVar("Response")

_PAUSE = 0.5


def insist(
    call: Callable[[Request], Response], request: Request, seconds: float = 15.0
) -> Response:
    """Make a call again while the platform does not get to it, for at most so long.

    A write keeps its `request_id`, so that it has one effect. Everything else that goes wrong is
    raised at once.
    """
    if "request_id" in request.DESCRIPTOR.fields_by_name and not request.request_id:
        request.request_id = uuid.uuid4().hex
    deadline = time.monotonic() + seconds
    while True:
        try:
            return call(request)
        except (Unavailable, DeadlineExceeded, Overloaded):
            if time.monotonic() + _PAUSE > deadline:
                raise
        time.sleep(_PAUSE)
