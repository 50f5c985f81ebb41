"""`up`: starts the runtime as a process of its own and watches the platform become ready."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mesh import topology
from mesh.runtime.errors import StartFailed
from mesh.runtime.home import Home
from mesh.runtime.ports import check_free
from mesh.runtime.readiness import last_line
from mesh.topology import Topology, TopologyError


@dataclass(frozen=True, slots=True)
class Step:
    """One line of what `up` has to tell: a name, and a fact about it."""

    name: str
    fact: str


Tell = Callable[[Step], None]


def find_topology(stated: Path | None) -> Path:
    """The topology to use: *stated*, PLEXUS_TOPOLOGY, the working folder's, or this source tree's."""
    if stated is not None:
        return stated.absolute()
    if told := os.environ.get("PLEXUS_TOPOLOGY"):
        return Path(told).absolute()
    here = Path("topology.toml").absolute()
    return here if here.exists() else Path(__file__).parents[2] / "topology.toml"


def read_topology(path: Path) -> Topology:
    """The topology at *path*; StartFailed."""
    try:
        return topology.load(path)
    except TopologyError as error:
        raise StartFailed(str(error), "correct it, or name another with --topology") from None


def check_addresses(environ: Mapping[str, str]) -> None:
    """Raise StartFailed when an address that was asked for, or a database URL, cannot be used."""
    for variable in ("PLEXUS_CONTROL_PLANE", "PLEXUS_IDENTITY"):
        if address := environ.get(variable):
            check_free(variable, address)
    url = environ.get("PLEXUS_DATABASE_URL", "")
    if url and "{service}" not in url:
        raise StartFailed(
            "PLEXUS_DATABASE_URL gives every service the same database",
            "put {service} where the service's name belongs, as in postgresql+psycopg://…/{service}",
        )


def command(
    home: Home,
    topology_path: Path,
    replicas: int | None,
    sampling: float,
    jaeger: Path | None = None,
    prometheus: Path | None = None,
) -> list[str]:
    """The runtime's command line; *jaeger* and *prometheus* are the programs to start with it."""
    counted = [] if replicas is None else ["--replicas", str(replicas)]
    observed = ["--jaeger", str(jaeger)] if jaeger else []
    observed += ["--prometheus", str(prometheus)] if jaeger and prometheus else []
    return [
        *(sys.executable, "-m", "mesh.runtime"),
        *("--home", str(home.path), "--topology", str(topology_path)),
        *("--sampling", str(sampling), *counted, *observed),
    ]


def spawn(line: list[str], home: Home, *, attached: bool) -> subprocess.Popen[bytes]:
    """Start the runtime.

    Unless it is *attached* to this terminal it has a session of its own and outlives both.
    """
    if attached:
        return subprocess.Popen(line, stdin=subprocess.DEVNULL)
    with home.log_of("runtime").open("ab") as log:
        return subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def await_socket(home: Home, runtime: subprocess.Popen[bytes], deadline: float) -> None:
    """Wait until the runtime answers; StartFailed."""
    while not _answers(home.runtime_socket):
        if runtime.poll() is not None:
            raise StartFailed(
                f"the runtime ended: {last_line(home.log_of('runtime'))}",
                "see `plexus logs runtime`",
            )
        if time.monotonic() > deadline:
            raise StartFailed("the runtime does not answer", "see `plexus logs runtime`")
        time.sleep(0.02)


def await_answer(address: str, patience: float) -> bool:
    """Whether something listens on *address* within *patience* seconds."""
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                return True
        time.sleep(0.05)
    return False


def _answers(path: Path) -> bool:
    # The file alone says nothing: a runtime that was killed leaves it behind.
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0
