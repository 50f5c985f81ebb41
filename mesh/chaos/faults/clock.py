"""A clock that jumps: the replicas' own idea of the time, never the machine's."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from random import Random

from mesh.chaos.model import FaultSpec, Kind
from mesh.chaos.orders import CLOCK, await_seen, give, place, withdraw
from mesh.runtime.client import Platform

_HOUR = 3600


class Stepped:
    """Replicas whose clock is off, from `inject` to `lift`.

    It decides what they take for now: the times they write, tokens, certificates, old requests.
    Deadlines and breakers run on the monotonic clock and do not notice.
    """

    def __init__(self, platform: Platform, target: str, seconds: float) -> None:
        self._path = place(platform.home.path, CLOCK)
        self._id = uuid.uuid4().hex
        self._order = {"target": target, "offset_seconds": seconds}

    def inject(self) -> None:
        """Step the clock."""
        give(self._path, self._id, self._order)
        await_seen()

    def lift(self) -> None:
        """Step it back."""
        if withdraw(self._path, self._id):
            await_seen()


def step(spec: FaultSpec, platform: Platform, _: Random) -> Stepped:
    """`offset_seconds` forward, or back when negative; by default an hour forward."""
    return Stepped(platform, spec.target, float(spec.parameters.get("offset_seconds", _HOUR)))


MAKERS: Mapping[Kind, Callable[[FaultSpec, Platform, Random], Stepped]] = {Kind.CLOCK_STEP: step}
