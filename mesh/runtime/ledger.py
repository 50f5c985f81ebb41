"""processes.json: which processes run, for whoever comes when the runtime cannot be asked.

It is how `plexus` finds the control plane, and how leftovers of a runtime that was killed are
found: a process is signalled only when its id and its birth are those that were written down.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from mesh.identity.files import write_whole
from mesh.runtime.birth import Born
from mesh.runtime.home import Home

_POLL = 0.02


@dataclass(frozen=True, slots=True)
class Entry:
    """One process as the runtime last saw it. *pid* is 0 and *birth* empty when it did not run."""

    name: str
    service: str
    pid: int
    birth: str
    state: str
    restarts: int

    @property
    def born(self) -> Born | None:
        """The process that was seen, if one ran."""
        return Born(self.pid, self.birth) if self.pid else None


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything the runtime wrote down. Addresses are `host:port`; *runtime* is itself.

    *jaeger* and *prometheus* are empty when they were not started.
    """

    runtime: Born
    control_plane: str
    identity: str
    topology: str
    entries: tuple[Entry, ...]
    jaeger: str = ""
    prometheus: str = ""

    def write(self, home: Home) -> None:
        """Replace processes.json."""
        write_whole(home.records, json.dumps(asdict(self), indent=1).encode())


def read(home: Home) -> Ledger | None:
    """What the runtime last wrote; None when there is nothing, or nothing that can be read."""
    try:
        stated = json.loads(home.records.read_bytes())
        entries = tuple(Entry(**entry) for entry in stated.pop("entries"))
        runtime = Born(**stated.pop("runtime"))
        return Ledger(**stated, runtime=runtime, entries=entries)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def end_leftovers(home: Home) -> int:
    """Kill what a runtime that was killed left behind, and wait until it is gone; how many."""
    found = read(home)
    left = [entry.born for entry in found.entries if entry.born] if found else []
    killed = [born for born in left if born.send(signal.SIGKILL)]
    _await_end(killed)
    return len(killed)


def _await_end(processes: Iterable[Born], longest: float = 5.0) -> None:
    deadline = time.monotonic() + longest
    for born in processes:
        while born.is_alive() and time.monotonic() < deadline:
            time.sleep(_POLL)
