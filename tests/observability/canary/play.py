"""One platform, those who call it, and what they were told."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import grpc

from mesh.chaos import samples as sample_files
from mesh.identity.join import mint, secret_at
from mesh.identity.spiffe import server_name
from mesh.identity.workload import WorkloadIdentity
from mesh.runtime import ledger
from mesh.runtime.client import Platform
from mesh.settings import Settings
from mesh.topology import load as load_topology
from plexus.contract import Contract, Method
from tests.observability.canary.birds import Flock
from tests.observability.canary.breakage import FAULTS, SERVICES, broken, unforeseen, without_tables
from tests.observability.canary.callers import Hostile, Seeding, play
from tests.observability.canary.wire import Answers, Wire
from tests.platform import ROOT, plexus

_LONGEST_PASSES = 90.0


class Play:
    """One platform, those who call it, and what they were told."""

    def __init__(self, platform: Platform, contract: Contract, seed: int) -> None:
        self.platform = platform
        self.contract = contract
        self.home = platform.home.path
        self.chance = Random(seed)
        self.flock = Flock(Random(f"{seed}:values"))
        self.answers = Answers()
        self.commands: list[bytes] = []
        self.missing: list[str] = []
        self.samples = sample_files.load(ROOT / "tests" / "chaos" / "samples.toml", contract)
        self._channels: dict[str, grpc.Channel] = {}
        self.wire = Wire(self._channel, self.answers)
        access: Any = platform._access
        self.seeding = Seeding(self.wire, contract, self.samples, self.flock, access.token)
        self.hostile = Hostile(self.seeding, self.wire, self.samples, self.flock)

    @property
    def methods(self) -> list[Method]:
        """Every RPC of every service."""
        return [m for m in self.contract.methods.values() if m.service in SERVICES]

    def in_order(self) -> None:
        """Every method in order, and spoiled, and by those who may not."""
        self.seeding.set_up(self.chance)
        play(self.seeding, self.samples, self.chance)
        for method in self.methods:
            self.hostile.spoil(method, self.chance)
            self.hostile.intrude(method, self.chance)
        with self._strangers() as strangers:
            for method in self.methods:
                for stranger in strangers:
                    self.hostile.knock(method, stranger, self.chance)
                if not method.scope:
                    # Closed to the edge: one of those who may call it does.
                    self.hostile.spoil(method, self.chance, strangers[0])
        self._commands()

    def in_disorder(self) -> None:
        """Every method, again and again, while one thing after the other breaks under it."""
        for spec in FAULTS:
            with self._under_way() as passes, broken(self.platform, spec, self.chance) as made:
                if not made:
                    self.missing.append(f"{spec.kind} of {spec.target}")
                passes()
            self.platform.wait_ready(timeout=60)
        for service in SERVICES:
            with unforeseen(self.home, service, self.flock):
                self._each_once()
            with without_tables(self.home, service):
                self._each_once()
        self.platform.wait_ready(timeout=60)

    @contextmanager
    def _under_way(self) -> Iterator[Callable[[], None]]:
        """Calls are being made inside; what is given waits until each method was called anew."""
        turn = threading.Condition()
        ended, passed = threading.Event(), [0]

        def call() -> None:
            while not ended.is_set():
                self._each_once()
                with turn:
                    passed[0] += 1
                    turn.notify_all()

        def passes() -> None:
            with turn:
                # The pass that is under way began before.
                wanted = passed[0] + 2
                turn.wait_for(lambda: passed[0] >= wanted, _LONGEST_PASSES)

        calling = threading.Thread(target=call)
        calling.start()
        try:
            yield passes
        finally:
            ended.set()
            calling.join()

    def _each_once(self) -> None:
        for method in self.methods:
            valid = self.seeding.valid(method, self.seeding.variables, self.chance)
            timeout = 0.6 if method.server_streaming else 1.0
            with suppress(grpc.RpcError):
                self.wire.send(method, valid.SerializeToString(), self.seeding.metadata(), timeout)

    def _commands(self) -> None:
        """What the command says of a call that fails, and of an import that is broken."""
        word = self.flock.text("command")
        folder = self.home.parent
        file = Path(tempfile.mkdtemp(dir=folder)) / "bundle.json"
        file.write_text(f'{{"resourceType": "Patient", "name": "{word}", "{word}": 1}}')
        for line in (
            ["call", "records.GetPatient", json.dumps({"patient_id": word})],
            ["call", "records.SearchPatients", json.dumps({"name": word * 40})],
            ["call", "scheduling.BookAppointment", json.dumps({"reason": word})],
            ["import", str(file)],
        ):
            done = plexus(*line, home=self.home)
            self.commands.append(f"{done.stdout}\n{done.stderr}".encode())
        file.unlink()
        file.parent.rmdir()

    @contextmanager
    def _strangers(self) -> Iterator[list[Wire]]:
        """The services themselves, calling what their contracts do not say; past the mesh."""
        replicas = {r.service: f"{r.host}:{r.port}" for r in self.platform.status().replicas}
        topology = load_topology(ROOT / "topology.toml")
        with ExitStack() as stack:
            wires = []
            for workload in ("billing", "triage"):
                identity = self._identity(workload)
                stack.callback(identity.close)
                credentials = identity.channel_credentials()

                def opened(service: str, credentials: Any = credentials) -> grpc.Channel:
                    name = server_name(topology.trust_domain, service)
                    options = [("grpc.ssl_target_name_override", name)]
                    found = grpc.secure_channel(replicas[service], credentials, options=options)
                    return stack.enter_context(found)

                wires.append(Wire(opened, self.answers))
            yield wires

    def _identity(self, workload: str) -> WorkloadIdentity:
        found, name = ledger.read(self.platform.home), f"{workload}-stranger"
        assert found is not None
        secret = secret_at(self.home / "join.secret")
        told = {
            "PLEXUS_HOME": str(self.home),
            "PLEXUS_REPLICA": name,
            "PLEXUS_JOIN_TOKEN": mint(secret, workload, name, 600.0),
            "PLEXUS_CONTROL_PLANE": found.control_plane,
            "PLEXUS_IDENTITY": found.identity,
            "PLEXUS_TRUST_BUNDLE": str(self.platform.home.trust_bundle),
        }
        identity = WorkloadIdentity(Settings.read(told))
        identity.start(10)
        return identity

    def _channel(self, service: str) -> grpc.Channel:
        if service not in self._channels:
            # Its side effect: this process is the edge of this mesh from now on.
            self.platform.channel(service)
            self._channels[service] = grpc.secure_channel(
                f"xds:///{service}", grpc.xds_channel_credentials()
            )
        return self._channels[service]
