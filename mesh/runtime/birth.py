"""When a process was born: with its id, that tells it from a later one that got the same id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Born:
    """One process, for certain: its id and when the operating system says it began."""

    pid: int
    birth: str

    @classmethod
    def of(cls, pid: int) -> Born:
        """The process that has this id now; ProcessLookupError when there is none."""
        birth = birth_of(pid)
        if birth is None:
            raise ProcessLookupError(pid)
        return cls(pid, birth)

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return birth_of(self.pid) == self.birth

    def send(self, number: signal.Signals) -> bool:
        """Send a signal to this process and to no other; False when it is gone."""
        if not self.is_alive():
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True


def birth_of(pid: int) -> str | None:
    """When the process began, in the operating system's own words; None when it does not run."""
    if sys.platform == "linux":
        return _birth_on_linux(pid)
    found = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, began = found.stdout.strip().partition(" ")
    return None if not began or state.startswith("Z") else began.strip()


def _birth_on_linux(pid: int) -> str | None:
    # proc_pid_stat(5): the name is in parentheses and may hold anything; state is the field after
    # it, and the 20th from there is the start in clock ticks since boot.
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]
