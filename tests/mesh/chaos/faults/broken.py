"""A platform of two services that is there to be broken, and a client that tells how that shows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any

from mesh.chaos.faults import MAKERS, NotInjectable
from mesh.chaos.faults.storage import small_disk
from mesh.chaos.model import FaultSpec, Kind
from mesh.runtime.client import Platform
from tests.platform import ROOT, running

_TOPOLOGY = """
trust_domain = "plexus.local"
[services]
records = { replicas = 2 }
scheduling = { replicas = 1 }
"""
_PATIENCE = 30.0

# There is nobody of that name; it takes the database to say so.
READ = ("records.SearchPatients", {"name": "nobody"})
ANSWER = "OK"
WRITE = (
    "scheduling.CreateClinic",
    {"clinic": {"name": "North", "time_zone": "Europe/Vienna"}},
)


class Caller:
    """The client, told what to do."""

    def __init__(self, home: Path) -> None:
        path = os.pathsep.join((str(ROOT), str(ROOT / "clients/python")))
        self._popen = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("calls.py")), str(home)],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "ready"

    def call(self, method: str, request: dict[str, Any]) -> str:
        """Make one call; how it ended."""
        outcome: str = self._ask({"call": method, "request": request})["outcome"]
        return outcome

    def timed(self, method: str, request: dict[str, Any]) -> float:
        """Make one call; how many seconds it took."""
        seconds: float = self._ask({"call": method, "request": request})["seconds"]
        return seconds

    def load(self, method: str, request: dict[str, Any]) -> None:
        """Begin to call without a pause."""
        self._ask({"load": method, "request": request})

    def count(self) -> dict[str, int]:
        """How the calls ended so far."""
        counts: dict[str, int] = self._ask({})["counts"]
        return counts

    def stop(self) -> dict[str, int]:
        """End the load; how the calls ended."""
        counts: dict[str, int] = self._ask({"stop": True})["counts"]
        return counts

    def close(self) -> None:
        """End the client."""
        self._popen.kill()
        self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            assert pipe is not None
            pipe.close()

    def _ask(self, told: dict[str, Any]) -> dict[str, Any]:
        assert self._popen.stdin is not None
        self._popen.stdin.write(json.dumps(told) + "\n")
        self._popen.stdin.flush()
        answer: dict[str, Any] = json.loads(self._line())
        return answer

    def _line(self) -> str:
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline().strip()
        assert line, "the client ended"
        return line


class Broken:
    """The platform, its client, and how to break it."""

    def __init__(self, platform: Platform, caller: Caller, *, has_small_disk: bool) -> None:
        self.platform = platform
        self.caller = caller
        self.has_small_disk = has_small_disk

    def ports(self) -> dict[str, str]:
        """Where each replica listens."""
        return {
            path.name: path.read_text() for path in (self.platform.home.path / "ports").iterdir()
        }

    def asked_by(self, caller: str) -> int:
        """How many calls the replicas of records have had from *caller*, as they report."""
        replicas = self.platform.wait_ready().replicas
        return sum(row.count for each in replicas for row in each.calls if row.caller == caller)

    def served(self, replica: str) -> int:
        """How often the replica has begun to serve."""
        log = self.platform.home.log_of(replica).read_text(encoding="utf-8")
        return log.count('"event": "serving"')

    @contextmanager
    def by(self, kind: Kind, target: str, **parameters: Any) -> Iterator[None]:
        """With a fault in force. It is lifted twice, since that must make no difference."""
        seconds = parameters.pop("seconds", 0.0)
        spec = FaultSpec(kind, target, seconds=seconds, parameters=parameters)
        fault = MAKERS[kind](spec, self.platform, Random(1))
        try:
            fault.inject()
            yield
        finally:
            fault.lift()
            fault.lift()

    @contextmanager
    def newcomer(self) -> Iterator[Caller]:
        """A client that has met no fault yet, warm."""
        caller = Caller(self.platform.home.path)
        try:
            caller.load(*READ)
            until(lambda: caller.count().get(ANSWER, 0) > 50, "the newcomer is warm")
            caller.stop()
            yield caller
        finally:
            caller.close()

    def await_healthy(self) -> None:
        """Wait until reads and writes are answered as if nothing had been."""
        until(lambda: self.caller.call(*READ) == ANSWER, "reads are answered")
        until(lambda: self.caller.call(*WRITE) == "OK", "writes are answered")


@contextmanager
def breakable(folder: Path) -> Iterator[Broken]:
    """All of it, ready."""
    home = folder / "home"
    topology = folder / "topology.toml"
    topology.write_text(_TOPOLOGY)
    with ExitStack() as stack:
        try:
            stack.enter_context(small_disk(home, "scheduling"))
            has_small_disk = True
        except NotInjectable:
            has_small_disk = False
        os.environ["PLEXUS_CHAOS"] = "1"
        stack.callback(os.environ.pop, "PLEXUS_CHAOS", None)
        platform = stack.enter_context(running(home, topology=topology))
        caller = Caller(home)
        stack.callback(caller.close)
        broken = Broken(platform, caller, has_small_disk=has_small_disk)
        broken.await_healthy()
        yield broken


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"in vain waited until {what}"
        time.sleep(0.02)
