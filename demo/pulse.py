"""Feels the pulse of the platform's processes, for the screen."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from enum import Enum

from mesh.runtime.client import Platform
from mesh.runtime.errors import Mistake
from mesh.topology import CONTROL_PLANE
from plexus.errors import PlexusError
from plexus.mesh.v1 import replica_pb2
from plexus.mesh.v1 import runtime_service_pb2 as runtime

_EVERY = 0.4


class Beat(Enum):
    """How one process fares."""

    READY = "ready"
    STARTING = "starting"
    DOWN = "down"


class Pulse:
    """Asks again and again, in a thread of its own. `beats` is by service, then by process name."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._feel, name="pulse", daemon=True)
        self.beats: Mapping[str, Mapping[str, Beat]] = {}

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; returns when nothing is being asked any more."""
        self._stop.set()
        self._thread.join()

    def _feel(self) -> None:
        while not self._stop.wait(_EVERY):
            # What does not answer now is asked again: the screen is no reason to fail.
            try:
                self.beats = self._ask()
            except (Mistake, PlexusError):
                continue

    def _ask(self) -> Mapping[str, Mapping[str, Beat]]:
        processes = self._platform.processes()
        ready = {
            (replica.name, replica.pid)
            for replica in self._platform.status().replicas
            if replica.state == replica_pb2.REPLICA_STATE_READY
        }
        beats: dict[str, dict[str, Beat]] = {}
        for process in processes:
            service = process.service or CONTROL_PLANE
            beats.setdefault(service, {})[process.name] = _beat(process, ready)
        return beats


def _beat(process: runtime.Process, ready: set[tuple[str, int]]) -> Beat:
    if process.state != runtime.PROCESS_STATE_RUNNING:
        return Beat.DOWN
    here = (process.name, process.pid) in ready or not process.service
    return Beat.READY if here else Beat.STARTING
