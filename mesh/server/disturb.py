"""Lets a chaos run make handlers slow or fail. Without PLEXUS_CHAOS=1 nothing of it is composed."""

from __future__ import annotations

from typing import Any

from mesh.server.incoming import Handle, Incoming, Parts
from plexus.contract import Method


def disturb(method: Method, parts: Parts, proceed: Handle) -> Handle:
    """Hold the call up, or fail it, where the handler would have done so."""
    strike = parts.disturb
    if strike is None:
        return proceed
    path = method.path

    def handle(incoming: Incoming) -> Any:
        strike(path)
        return proceed(incoming)

    return handle
