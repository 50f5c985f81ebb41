"""Tells Prometheus where the platform's processes answer: `prometheus/targets.json` in the state folder.

Each process chooses its port and keeps it in a file; here they are put together, for Prometheus's
file-based discovery. The labels are those that OpenTelemetry gives a process: `job` is its service.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

from mesh.identity.files import write_whole
from mesh.runtime.home import Home
from mesh.runtime.kept import Kept

RUNTIME: Final = "runtime"

_log = logging.getLogger(__name__)

_LOOK_EVERY: Final = 0.5
_EVERYWHERE: Final = frozenset({"", "0.0.0.0", "[::]"})  # noqa: S104 - compared with, not listened on
_LOOPBACK: Final = "127.0.0.1"


class Discovery:
    """Writes the file for the runtime itself and *processes*; their ports are on the host of *address*."""

    def __init__(self, home: Home, address: str, processes: Callable[[], Iterable[Kept]]) -> None:
        host = address.rpartition(":")[0]
        self._folder = home.path / "prometheus"
        self._host = _LOOPBACK if host in _EVERYWHERE else host
        self._processes = processes
        self._written: list[dict[str, Any]] | None = None

    async def keep(self) -> None:
        """Write it now and whenever it changes, until cancelled."""
        while True:
            try:
                self.write()
            except OSError as error:
                _log.warning("targets not written: %s", error.strerror)
            await asyncio.sleep(_LOOK_EVERY)

    def write(self) -> None:
        """Write it if it is other than before."""
        targets = self._targets()
        if targets != self._written:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_whole(self._folder / "targets.json", json.dumps(targets, indent=1).encode())
            self._written = targets

    def _targets(self) -> list[dict[str, Any]]:
        named = [(RUNTIME, RUNTIME)]
        named += [(kept.service or kept.name, kept.name) for kept in self._processes()]
        return [
            {"targets": [f"{self._host}:{port}"], "labels": {"job": job, "instance": name}}
            for job, name in named
            if (port := self._port(name))
        ]

    def _port(self, name: str) -> int:
        try:
            return int((self._folder / "ports" / name).read_bytes())
        except (OSError, ValueError):
            # It has not come so far, or is a program that is not ours.
            return 0
