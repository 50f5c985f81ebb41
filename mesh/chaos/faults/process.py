"""What can happen to processes: killed, told to end, stopped and continued; the control plane gone."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from random import Random

from mesh.chaos.model import FaultSpec, Kind
from mesh.runtime.client import Platform
from mesh.topology import CONTROL_PLANE


class Kill:
    """SIGKILL. For a time, it keeps the processes down that long; else their supervisor starts them."""

    def __init__(self, spec: FaultSpec, platform: Platform, _: Random) -> None:
        self._platform = platform
        self._target = spec.target
        self._hold = spec.seconds > 0
        self._held: dict[str, int] = {}

    def inject(self) -> None:
        """Kill; returns when the processes are gone."""
        if self._hold:
            self._held = _counts(self._platform, self._target)
        self._platform.signal(self._target, signal.SIGKILL, hold_down=self._hold)

    def lift(self) -> None:
        """Let them run again."""
        held, self._held = self._held, {}
        for service, count in held.items():
            self._platform.scale(service, count)


class Terminate:
    """SIGTERM: drain and exit; the supervisor starts the process again."""

    def __init__(self, spec: FaultSpec, platform: Platform, _: Random) -> None:
        self._platform = platform
        self._target = spec.target

    def inject(self) -> None:
        """Tell it to end."""
        self._platform.signal(self._target, signal.SIGTERM)

    def lift(self) -> None:
        """Nothing: it comes back by itself."""


class Stop:
    """SIGSTOP: the process hangs, its connections stay open. SIGCONT lifts it."""

    def __init__(self, spec: FaultSpec, platform: Platform, _: Random) -> None:
        self._platform = platform
        self._target = spec.target
        self._stopped = False

    def inject(self) -> None:
        """Stop."""
        self._stopped = True
        self._platform.signal(self._target, signal.SIGSTOP)

    def lift(self) -> None:
        """Go on."""
        if self._stopped:
            self._stopped = False
            self._platform.signal(self._target, signal.SIGCONT)


def _control_plane(spec: FaultSpec, platform: Platform, random: Random) -> Kill:
    return Kill(FaultSpec(Kind.KILL, CONTROL_PLANE, spec.at, spec.seconds), platform, random)


def _counts(platform: Platform, target: str) -> dict[str, int]:
    """How many replicas run of the service that *target* is, or is a process of."""
    if target == CONTROL_PLANE:
        return {CONTROL_PLANE: 1}
    processes = platform.processes()
    service = next((p.service for p in processes if p.name == target), target)
    return {service: sum(process.service == service for process in processes)}


MAKERS: Mapping[Kind, Callable[[FaultSpec, Platform, Random], Kill | Terminate | Stop]] = {
    Kind.KILL: Kill,
    Kind.TERMINATE: Terminate,
    Kind.STOP: Stop,
    Kind.CONTROL_PLANE_DOWN: _control_plane,
}
