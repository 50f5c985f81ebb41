"""Counts every call by how it ended, as its caller saw it, and how long that took."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from plexus.client.counts import OK
from plexus.client.outgoing import Outgoing, Parts, Send
from plexus.contract import Method
from plexus.errors import PlexusError


def counted(method: Method, parts: Parts, proceed: Send) -> Send:
    """Count the call, how it ended and how long it took its caller, refusals of this stack included."""
    counts = parts.counts_of(method)
    note, answered = counts.note, counts.outcomes[OK].add

    def send(out: Outgoing) -> Any:
        began = perf_counter()
        try:
            response = proceed(out)
        except PlexusError as failure:
            note(failure.status.name, perf_counter() - began)
            raise
        answered(perf_counter() - began)
        return response

    return send
