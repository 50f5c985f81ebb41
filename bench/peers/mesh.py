"""A mesh to measure: a control plane, replicas of records and callers, each a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.side_by_side import ROOT, Child, environment
from mesh import topology
from mesh.runtime.home import Home
from mesh.runtime.plan import Plan, Spec

CALLER: Final = "triage"
_PATIENCE: Final = 20.0


class Mesh:
    """What `plexus up` would start, less what is not measured.

    *sampling* is what it samples of its own. *control_plane* is the command line of another control
    plane than the platform's, one that obeys.
    """

    def __init__(
        self, folder: Path, sampling: float = 0.01, control_plane: Sequence[str] = ()
    ) -> None:
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
        self._processes: list[Child] = []
        self._publishing: subprocess.Popen[bytes] | None = None
        if control_plane:
            self.control_plane = self._start(self._plan.control_plane_process(), *control_plane)
        else:
            self._publish()

    def serve(self, number: int = 1, *arguments: str) -> Child:
        """A replica of records whose charts are ready."""
        spec = self._plan.replica("records", number)
        return self._start(spec, "-m", "bench.peers.meshed", "serve", *arguments)

    def call(self, *arguments: str) -> Child:
        """A workload that calls it; it begins when somebody answers."""
        return self.join(1, "-m", "bench.peers.meshed", "call", *arguments)

    def join(self, number: int, *arguments: str) -> Child:
        """Any process that may join as the calling workload."""
        return self._start(self._plan.replica(CALLER, number), *arguments)

    def close(self) -> None:
        """End everything, the control plane last."""
        for process in reversed(self._processes):
            process.close()
        if self._publishing is not None:
            self._publishing.kill()
            self._publishing.wait()

    def _start(self, spec: Spec, *arguments: str) -> Child:
        child = Child(spec.name, arguments, self._plan.environment(spec))
        self._processes.append(child)
        return child

    def _publish(self) -> None:
        spec = self._plan.control_plane_process()
        with spec.log.open("wb") as log:
            self._publishing = subprocess.Popen(
                [sys.executable, "-m", spec.module],
                env=self._plan.environment(spec),
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        for address in (self._plan.control_plane, self._plan.identity):
            self._wait(self._publishing, int(address.rpartition(":")[2]))

    def _wait(self, process: subprocess.Popen[bytes], port: int) -> None:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end and process.poll() is None:
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
