"""Bounds how many calls to one dependency are under way, so that a slow one cannot hold every thread."""

from __future__ import annotations

from typing import Any, Final

from plexus.client.outgoing import Outgoing, Parts, Send
from plexus.client.spans import DEPENDENCY, note
from plexus.contract import Method
from plexus.errors import Fault, from_fault
from plexus.type.v1.errors_pb2 import PlatformError

_PATIENCE: Final = 0.1
"""The share of its time that a call waits for a place: a burst passes, a hang does not pile up."""


def bulkhead(method: Method, parts: Parts, proceed: Send) -> Send:
    """Let the call have one of the channel's places; DEPENDENCY_UNAVAILABLE when none comes free."""
    places = parts.places
    if places is None:
        return proceed
    counts = parts.counts_of(method)

    def send(out: Outgoing) -> Any:
        if not places.take((out.timeout or 0.0) * _PATIENCE):
            counts.no_place += 1
            note("plexus.bulkhead.refused", {DEPENDENCY: method.path})
            raise from_fault(
                Fault(
                    PlatformError,
                    PlatformError.PLATFORM_ERROR_DEPENDENCY_UNAVAILABLE,
                    dependency=method.path,
                )
            )
        try:
            return proceed(out)
        finally:
            places.give_back()

    return send
