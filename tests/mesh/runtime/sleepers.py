"""A platform whose services only sleep: what tests of the runtime itself need, ready in a second."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mesh.runtime import starting
from mesh.runtime.client import Platform
from mesh.runtime.errors import NotRunning
from tests.platform import ROOT, end

_TOPOLOGY = """
trust_domain = "plexus.local"
[services]
records = { replicas = 2, module = "asleep" }
billing = { replicas = 1, module = "asleep" }
"""
_ASLEEP = "import time\nwhile True:\n    time.sleep(60)\n"


class Sleepers:
    """One runtime, started as `up` starts it."""

    def __init__(self, folder: Path) -> None:
        (folder / "asleep.py").write_text(_ASLEEP)
        (folder / "topology.toml").write_text(_TOPOLOGY)
        self._folder = folder
        self.platform = Platform(folder / "home")

    def start(self) -> subprocess.Popen[bytes]:
        """Start a runtime in the state folder."""
        path = (str(ROOT), str(ROOT / "clients/python"), str(self._folder))
        home = self.platform.home
        home.make()
        with home.log_of("runtime").open("ab") as log:
            return subprocess.Popen(
                [
                    *(sys.executable, "-m", "mesh.runtime", "--home", str(home.path)),
                    *("--topology", str(self._folder / "topology.toml")),
                ],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
                stdout=log,
                stderr=log,
            )

    def pids(self) -> dict[str, int]:
        """The process id of everything that runs, by name."""
        try:
            return {p.name: p.pid for p in self.platform.processes() if p.pid}
        except NotRunning:
            return {}


def eventually(holds: Callable[[], bool], what: str, longest: float = 20.0) -> None:
    """Wait until a condition holds; fail when it does not."""
    deadline = time.monotonic() + longest
    while not holds():
        assert time.monotonic() < deadline, f"not within {longest:g} s: {what}"
        time.sleep(0.02)


@contextmanager
def asleep(folder: Path) -> Iterator[tuple[Sleepers, subprocess.Popen[bytes]]]:
    """A runtime with a control plane and three sleeping replicas, all started."""
    sleepers = Sleepers(folder)
    process = sleepers.start()
    try:
        # A socket is there before anybody listens on it.
        starting.await_socket(sleepers.platform.home, process, time.monotonic() + 20.0)
        eventually(lambda: len(sleepers.pids()) == 4, "four processes run")
        yield sleepers, process
    finally:
        end(sleepers.platform)
        process.kill()
        process.wait()
        sleepers.platform.close()
