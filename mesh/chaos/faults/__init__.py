"""Faults: each is injected once and lifted whatever happens.

`build` is the way to one. It refuses a platform that the run did not start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Protocol

from mesh.chaos.faults import (
    certificates,
    clock,
    controlplane,
    handlers,
    network,
    process,
    storage,
)
from mesh.chaos.faults.refusal import NotInjectable
from mesh.chaos.model import FaultSpec, Kind
from mesh.chaos.stage import assert_ours
from mesh.runtime.client import Platform


class Fault(Protocol):
    """Something that is done to the platform, and undone."""

    def inject(self) -> None:
        """Do it; returns when it is done. NotInjectable when it turns out that it cannot be."""

    def lift(self) -> None:
        """Undo it. May be called more than once, and without `inject`; does nothing then."""


__all__ = ["MAKERS", "Fault", "Make", "NotInjectable", "build"]

Make = Callable[[FaultSpec, Platform, Random], Fault]

MAKERS: Mapping[Kind, Make] = {
    **process.MAKERS,
    **handlers.MAKERS,
    **network.MAKERS,
    **storage.MAKERS,
    **controlplane.MAKERS,
    **certificates.MAKERS,
    **clock.MAKERS,
}


def build(spec: FaultSpec, platform: Platform, random: Random) -> Fault:
    """The fault that *spec* describes; NotInjectable, NotOurs."""
    assert_ours(platform.home)
    make = MAKERS.get(spec.kind)
    if make is None:
        raise NotInjectable(f"nothing here makes the fault {spec.kind}")
    return make(spec, platform, random)
