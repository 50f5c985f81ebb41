"""What is to run: the command, the environment and the log of each process."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mesh.identity.join import mint, secret_at
from mesh.runtime.home import Home
from mesh.runtime.observers import Observers
from mesh.topology import CONTROL_PLANE, Topology

# It proves who a process is for as long as the process may run without a certificate.
JOIN_TOKEN_LIFETIME = 7 * 24 * 3600.0

# A process has one xDS bootstrap, and it is its own.
_NOT_INHERITED = frozenset({"GRPC_XDS_BOOTSTRAP", "GRPC_XDS_BOOTSTRAP_CONFIG"})


@dataclass(frozen=True, slots=True)
class Spec:
    """One process. *module* is run as `__main__`; *service* is empty for who serves nothing.

    With an *own* environment it is told that, and nothing of the platform.
    """

    name: str
    service: str
    module: str
    log: Path
    arguments: tuple[str, ...] = ()
    own: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that the processes are told. Addresses are `host:port`."""

    home: Home
    topology: Topology
    topology_path: Path
    control_plane: str
    identity: str
    sampling: float
    inherited: Mapping[str, str]
    control_plane_module: str = "mesh.controlplane"
    observers: Observers | None = None

    @property
    def forward_to(self) -> tuple[str, ...]:
        """The gRPC targets that spans are passed on to: Jaeger, and what PLEXUS_OTLP names."""
        jaeger = (self.observers.spans,) if self.observers else ()
        told = self.inherited.get("PLEXUS_OTLP")
        return (*jaeger, told) if told else jaeger

    def control_plane_process(self) -> Spec:
        """The control plane."""
        log = self.home.log_of(CONTROL_PLANE)
        return Spec(CONTROL_PLANE, "", self.control_plane_module, log)

    def replica(self, service: str, number: int) -> Spec:
        """The replica of *service* with this number, counted from 1."""
        name = f"{service}-{number}"
        return Spec(name, service, self.topology.services[service].module, self.home.log_of(name))

    def observer_processes(self) -> list[Spec]:
        """Jaeger and Prometheus, their configuration written; none when they are not wanted."""
        wanted = self.observers.prepare(self.home) if self.observers else ()
        return [
            Spec(o.name, "", o.module, self.home.log_of(o.name), o.arguments, o.environment)
            for o in wanted
        ]

    def command(self, spec: Spec, alive: int) -> list[str]:
        """The command line; *alive* is the descriptor that ends when the runtime does."""
        child = (sys.executable, "-m", "mesh.runtime.child", str(alive))
        return [*child, spec.module, *spec.arguments]

    def environment(self, spec: Spec) -> dict[str, str]:
        """The environment, with a fresh join token."""
        kept = {name: value for name, value in self.inherited.items() if name not in _NOT_INHERITED}
        if spec.own is not None:
            return {**kept, **spec.own}
        secret = secret_at(self.home.path / "join.secret")
        workload = spec.service or CONTROL_PLANE
        told = {
            "PLEXUS_HOME": str(self.home.path),
            "PLEXUS_REPLICA": spec.name,
            "PLEXUS_JOIN_TOKEN": mint(secret, workload, spec.name, JOIN_TOKEN_LIFETIME),
            "PLEXUS_CONTROL_PLANE": self.control_plane,
            "PLEXUS_IDENTITY": self.identity,
            "PLEXUS_TRUST_BUNDLE": str(self.home.trust_bundle),
            "PLEXUS_OTLP": f"unix:{self.home.traces_socket}",
            "PLEXUS_TRACE_SAMPLING": str(self.sampling),
            "PLEXUS_TOPOLOGY": str(self.topology_path),
            # What a process prints before it is killed is what explains it.
            "PYTHONUNBUFFERED": "1",
        }
        if url := self.inherited.get("PLEXUS_DATABASE_URL"):
            told["PLEXUS_DATABASE_URL"] = url.replace("{service}", workload)
        return {**kept, **told}
