"""Plexus with everything on: records as its replicas are, and a workload that calls it as services do.

    python -m bench.peers.meshed serve [--switchable]
    python -m bench.peers.meshed call [--switchable]

The replica is `mesh.host`'s, with records' own parts, but for one handler: GetChart has its answers
ready, as that of every peer. The caller is triage, which declares the call; its channel is the one that
`mesh.host` gives to services, and its calls are part of a piece of work, as a background task's are.
Spans end in an exporter that drops, as the instrumented peer's do. With `--switchable` both ends can
leave out one layer of their stacks at a time: that is what the waterfall is measured with.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import grpc

from bench import load
from bench.peers import layers
from bench.peers.charts import DEADLINE, charts, requests
from mesh import host
from mesh.identity.workload import WorkloadIdentity
from mesh.persistence import Database
from mesh.settings import Settings
from observability import logs, tracing
from plexus.client import Channel, Inbound, working
from plexus.contract import Method
from plexus.contract import load as load_contract
from plexus.errors import PlexusError
from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub
from services.records import service as records

_CALLER = "triage"
_PATIENCE = 20.0


class Ready:
    """Records, with the charts ready."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._charts = charts()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def GetChart(self, request: Any, context: Any) -> Any:
        """The chart of the size that the patient stands for."""
        del context
        return self._charts[request.patient_id]


def build(parts: host.Parts) -> host.Built:
    """Records, assembled as it is, but for the charts."""
    built = records.build(parts)
    servicers = [(descriptor, Ready(servicer)) for descriptor, servicer in built.servicers]
    return host.Built(servicers=servicers, tasks=built.tasks)


def serve(switchable: bool) -> None:
    """Serve until standard input ends."""
    switch = layers.ServerSwitch() if switchable else None
    if switch is not None:
        host.handlers = switch.handlers  # type: ignore[attr-defined]
    _drop_spans()
    replica = host.Host("records", build, Settings.read())
    replica.start()
    load.obey(
        lambda command: switch.choose(command["variant"]) if switch else None,
        ready={"layers": switch.layers if switch else []},
    )
    replica.drain()


def call(switchable: bool) -> None:
    """Call when told to, as soon as somebody answers."""
    _drop_spans()
    settings = Settings.read()
    logs.configure(settings.replica, _CALLER)
    identity = WorkloadIdentity(settings)
    identity.start()
    os.environ["GRPC_XDS_BOOTSTRAP_CONFIG"] = identity.bootstrap()
    tracing.configure(_CALLER, settings.replica, settings.otlp)
    callers = Callers(settings)
    switch = layers.ClientSwitch(callers.fresh) if switchable else None
    ready = requests()

    def chosen(command: Mapping[str, Any]) -> load.Call:
        request, variant = ready[command["size"]], command.get("variant", layers.EVERYTHING)
        if switch is None:
            stub = callers.stub(command.get("sampling", settings.trace_sampling))
        else:
            stub = switch.stub(variant)
        timeout = DEADLINE if variant == layers.BARE else None
        return partial(stub.GetChart, request, timeout=timeout)

    around = work()
    with around():
        _until_answered(chosen({"size": "200 B"}))
    load.obey(load.answering(chosen, around), ready={"layers": switch.layers if switch else []})
    identity.close()


class Callers:
    """Channels as `mesh.host` opens them for a service, one for each share that is sampled."""

    def __init__(self, settings: Settings) -> None:
        self._database = Database(settings.database_url_of(_CALLER))
        self._sampling = settings.trace_sampling
        self._stubs: dict[float, Any] = {}

    def stub(self, sampling: float) -> Any:
        """A stub on the channel for that share."""
        if sampling not in self._stubs:
            make: Callable[[Any], Any] = RecordsServiceStub
            self._stubs[sampling] = make(self._open(sampling))
        return self._stubs[sampling]

    def fresh(self) -> Channel:
        """Another channel, for the share that the environment tells."""
        return self._open(self._sampling)

    def _open(self, sampling: float) -> Channel:
        return host.Parts(_CALLER, self._database, sampling=sampling).channel("records")


def work() -> load.Around:
    """What calls are part of: a task that may make every call its service declares."""
    calls = {call.method: call for method in _methods() for call in method.declared}

    def around() -> AbstractContextManager[Inbound]:
        return working(Inbound(name=f"{_CALLER}/bench", calls=calls, deadline=float("inf")))

    return around


def _methods() -> list[Method]:
    return [method for service in load_contract().workloads[_CALLER] for method in service.methods]


def _until_answered(attempt: load.Call) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            attempt()
        except (PlexusError, grpc.RpcError):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return


def _drop_spans() -> None:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    from bench.peers.spans import Dropping

    OTLPSpanExporter.export = Dropping.export  # type: ignore[assignment,method-assign]


if __name__ == "__main__":
    {"serve": serve, "call": call}[sys.argv[1]]("--switchable" in sys.argv)
