"""A small mesh of real processes: a control plane, replicas of records, and callers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

import grpc

from mesh.identity import join
from mesh.identity.workload import WorkloadIdentity
from mesh.settings import Settings
from plexus.mesh.v1.registry_service_pb2 import GetMeshStatusRequest, GetMeshStatusResponse
from plexus.mesh.v1.registry_service_pb2_grpc import RegistryServiceStub

ROOT = Path(__file__).parents[2]
PATIENCE = 15.0
T = TypeVar("T")
_PROCESSES = Path(__file__).parent / "processes"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def until(look: Callable[[], T | None], what: str) -> T:
    """What *look* returns as soon as it is true; an AssertionError when it never is."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"in vain waited for {what}")


@dataclass(eq=False)
class Process:
    """One child process whose output is read line by line."""

    name: str
    popen: subprocess.Popen[str]
    lines: list[str]
    reader: threading.Thread

    def wait_for(self, word: str) -> None:
        """Wait for a line that holds *word*."""

        def seen() -> bool:
            assert self.popen.poll() is None, f"{self.name} ended: {self.lines[-5:]}"
            return any(word in line for line in self.lines)

        until(seen, f"{word} from {self.name}")

    def ask(self, command: str) -> dict[str, int]:
        """Send one command; return its answer."""
        before = len(self.lines)
        stdin: IO[str] = self.popen.stdin  # type: ignore[assignment]
        stdin.write(command + "\n")
        stdin.flush()

        # gRPC writes to the same place when it has something to complain about.
        def answered() -> str:
            return next((line for line in self.lines[before:] if line.startswith("{")), "")

        answer: dict[str, int] = json.loads(until(answered, f"an answer of {self.name}"))
        return answer

    def finish(self) -> None:
        """Wait until all that an ended process wrote is read."""
        self.reader.join(PATIENCE)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.popen.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal and wait for the end; return the exit code."""
        self.send(number)
        return self.popen.wait(PATIENCE)


class SmallMesh:
    """Starts the processes in *home*; `close` ends what is left of them."""

    def __init__(self, home: Path, certificate_lifetime: float | None = None) -> None:
        self.home = home
        self.environ = {
            "PLEXUS_HOME": str(home),
            "PLEXUS_CONTROL_PLANE": f"127.0.0.1:{free_port()}",
            "PLEXUS_IDENTITY": f"127.0.0.1:{free_port()}",
            "PLEXUS_TOPOLOGY": str(ROOT / "topology.toml"),
        }
        if certificate_lifetime is not None:
            self.environ["PLEXUS_CERTIFICATE_LIFETIME"] = str(certificate_lifetime)
        self.settings = Settings.read(self.environ)
        self._secret = join.secret_at(self.settings.join_secret)
        self._processes: list[Process] = []
        self._identities: list[WorkloadIdentity] = []
        self._operator: WorkloadIdentity | None = None

    def start_control_plane(self) -> Process:
        """Start the control plane and wait until both ports are open."""
        process = self.launch_control_plane()
        process.wait_for("ready")
        return process

    def launch_control_plane(self) -> Process:
        """Start the control plane."""
        return self._start("control-plane", ["-m", "mesh.controlplane"], self.environ)

    def start_replica(self, name: str, workload: str = "records") -> Process:
        """Start a replica and wait until it is published."""
        process = self.launch_replica(name, workload)
        process.wait_for("ready")
        return process

    def launch_replica(self, name: str, workload: str = "records") -> Process:
        """Start a replica."""
        arguments = [str(_PROCESSES / "replica.py"), str(free_port())]
        return self._start(name, arguments, self.joining(workload, name))

    def start_caller(self, name: str = "edge-1", target: str = "xds:///records") -> Process:
        """Start a client of *target* and wait until it takes commands."""
        arguments = [str(_PROCESSES / "caller.py"), target]
        process = self._start(name, arguments, self.joining("edge", name))
        process.wait_for("ready")
        return process

    def joining(self, workload: str, name: str) -> dict[str, str]:
        """The environment of a process that may join as *workload*."""
        token = join.mint(self._secret, workload, name, lifetime=600)
        return {**self.environ, "PLEXUS_REPLICA": name, "PLEXUS_JOIN_TOKEN": token}

    def identity(self, workload: str) -> WorkloadIdentity:
        """An identity held by this process."""
        environ = self.joining(workload, f"{workload}-of-test-{len(self._identities)}")
        identity = WorkloadIdentity(Settings.read(environ))
        identity.start()
        self._identities.append(identity)
        return identity

    def channel(self, identity: WorkloadIdentity) -> grpc.Channel:
        """A channel to the control plane."""
        return grpc.secure_channel(
            self.settings.control_plane,
            identity.channel_credentials(),
            options=[("grpc.use_local_subchannel_pool", 1)],
        )

    def status(self) -> GetMeshStatusResponse:
        """The mesh as the operator sees it."""
        self._operator = self._operator or self.identity("operator")
        with self.channel(self._operator) as channel:
            return RegistryServiceStub(channel).GetMeshStatus(GetMeshStatusRequest(), timeout=5)

    def states(self) -> dict[str, int]:
        """The state of each replica."""
        return {replica.name: replica.state for replica in self.status().replicas}

    def close(self) -> None:
        """End everything."""
        for identity in self._identities:
            identity.close()
        for process in self._processes:
            if process.popen.poll() is None:
                process.popen.kill()
            process.popen.wait()
            for pipe in (process.popen.stdin, process.popen.stdout):
                if pipe is not None:
                    pipe.close()

    def _start(self, name: str, arguments: list[str], environ: dict[str, str]) -> Process:
        popen = subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, **environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'clients/python'}"},
            cwd=self.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        lines: list[str] = []
        reader = threading.Thread(target=_collect, args=(popen.stdout, lines), daemon=True)
        reader.start()
        process = Process(name, popen, lines, reader)
        self._processes.append(process)
        return process


def _collect(pipe: IO[str], lines: list[str]) -> None:
    try:
        for line in pipe:
            lines.append(line.rstrip())
    except ValueError:
        return
