"""Handlers that are slow, and handlers that fail, by orders to the replicas that serve them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from random import Random

from mesh.chaos.faults.refusal import NotInjectable
from mesh.chaos.inside import ABORTS
from mesh.chaos.model import FaultSpec, Kind
from mesh.chaos.orders import HANDLERS, Order, await_seen, give, place, withdraw
from mesh.runtime.client import Platform
from plexus.contract import load

_DELAY_MS = 1000


class Handlers:
    """One order about handlers, in force from `inject` to `lift`."""

    def __init__(self, platform: Platform, order: Order) -> None:
        self._path = place(platform.home.path, HANDLERS)
        self._id = uuid.uuid4().hex
        self.order = order

    def inject(self) -> None:
        """Give the order; returns when the replicas have had time to see it."""
        give(self._path, self._id, self.order)
        await_seen()

    def lift(self) -> None:
        """Take it back."""
        if withdraw(self._path, self._id):
            await_seen()


def slow(spec: FaultSpec, platform: Platform, random: Random) -> Handlers:
    """Handlers that begin late: `delay_ms`, by default a second; `share` of the calls, by default all."""
    delay = spec.parameters.get("delay_ms", _DELAY_MS)
    return Handlers(platform, {**_whom(spec, random), "delay_ms": delay})


def fail(spec: FaultSpec, platform: Platform, random: Random) -> Handlers:
    """Handlers that fail: `abort` is INTERNAL, UNAVAILABLE (the default) or RESOURCE_EXHAUSTED."""
    abort = str(spec.parameters.get("abort", "UNAVAILABLE"))
    if abort not in ABORTS:
        raise NotInjectable(f"a handler ends with one of {sorted(ABORTS)}, not with {abort}")
    return Handlers(platform, {**_whom(spec, random), "abort": abort})


def _whom(spec: FaultSpec, random: Random) -> Order:
    """The replicas and the method that are meant: a target may be a method's short name."""
    stated = spec.parameters.get("method", "*")
    target = spec.target
    if "." in target:
        target, stated = target.partition(".")[0], target
    method = stated if stated == "*" else load().find(stated).path
    chance = {"share": spec.parameters.get("share", 1.0), "seed": random.randrange(2**31)}
    return {"target": target, "method": method, **chance}


MAKERS: Mapping[Kind, Callable[[FaultSpec, Platform, Random], Handlers]] = {
    Kind.SLOW: slow,
    Kind.FAIL: fail,
}
