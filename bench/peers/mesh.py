"""A mesh to measure: a control plane, replicas of records and callers, each a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from bench.side_by_side import ROOT, Child, environment
from mesh import topology
from mesh.runtime.home import Home
from mesh.runtime.plan import Plan, Spec

CALLER: Final = "triage"
_PATIENCE: Final = 20.0


class Mesh:
    """What `plexus up` would start, less what is not measured. *sampling* is what it samples of its own."""

    def __init__(self, folder: Path, sampling: float = 0.01) -> None:
        path = ROOT / "topology.toml"
        self._home = Home.at(folder)
        self._home.make()
        self._plan = Plan(
            home=self._home,
            topology=topology.load(path),
            topology_path=path,
            control_plane=f"127.0.0.1:{_free_port()}",
            identity=f"127.0.0.1:{_free_port()}",
            sampling=sampling,
            inherited=environment(),
        )
        spec = self._plan.control_plane_process()
        with spec.log.open("wb") as log:
            self.control_plane = subprocess.Popen(
                [sys.executable, "-m", spec.module],
                env=self._plan.environment(spec),
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        self._processes: list[Child] = []
        for address in (self._plan.control_plane, self._plan.identity):
            self._wait(int(address.rpartition(":")[2]))

    def serve(self, number: int = 1, *arguments: str) -> Child:
        """A replica of records whose charts are ready."""
        spec = self._plan.replica("records", number)
        return self._start(spec, "serve", *arguments)

    def call(self, *arguments: str) -> Child:
        """A workload that calls it; it begins when somebody answers."""
        return self._start(self._plan.replica(CALLER, 1), "call", *arguments)

    def close(self) -> None:
        """End everything."""
        for process in self._processes:
            process.close()
        self.control_plane.kill()
        self.control_plane.wait()

    def _start(self, spec: Spec, *arguments: str) -> Child:
        environ = self._plan.environment(spec)
        child = Child(spec.name, ["-m", "bench.peers.meshed", *arguments], environ)
        self._processes.append(child)
        return child

    def _wait(self, port: int) -> None:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end and self.control_plane.poll() is None:
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        self.close()
        said = self._home.log_of("control-plane").read_text(encoding="utf-8")
        raise ChildProcessError(f"the control plane is not there:\n{said[-2000:]}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
