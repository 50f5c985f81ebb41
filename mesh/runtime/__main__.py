"""The runtime process: supervises every process of the platform and answers the operator."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mesh import topology
from mesh.audit.joining import settle_all
from mesh.identity.join import secret_at
from mesh.runtime import ledger
from mesh.runtime.discovery import RUNTIME, Discovery
from mesh.runtime.home import Home
from mesh.runtime.observers import Observers
from mesh.runtime.plan import Plan
from mesh.runtime.ports import free_addresses, is_free
from mesh.runtime.supervisor import Supervisor
from mesh.settings import Settings

if TYPE_CHECKING:
    import grpc

    from mesh.exposition import Exposition

ALREADY_RUNS = 3
_LOCK_ATTEMPTS = 20

_log = logging.getLogger(__name__)


def main() -> int:
    """Run until stopped; the exit code."""
    told = _arguments()
    home = Home.at(told.home)
    home.make()
    if not _locked(home):
        return ALREADY_RUNS
    if ended := ledger.end_leftovers(home):
        _log.warning("ended %d processes that an earlier runtime left", ended)
    secret_at(home.path / "join.secret")
    plan = _plan(home, told)
    audit = _settings(plan).audit
    # Also of replicas that nobody starts again.
    settle_all(audit)
    asyncio.run(_supervise(plan, told.replicas))
    settle_all(audit)
    home.clear_sockets()
    # The lock goes with the process; nothing of the platform runs any more.
    return 0


def _locked(home: Home) -> bool:
    # Whoever only looks whether the folder is held holds it for a moment.
    for _ in range(_LOCK_ATTEMPTS):
        if home.lock() is not None:
            return True
        time.sleep(0.02)
    return False


async def _supervise(plan: Plan, replicas: int | None) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    supervisor = Supervisor(plan)
    services = plan.topology.services.values()
    counts = {s.name: s.replicas if replicas is None else replicas for s in services}
    # The processes first: they have the longest way to go.
    starting = asyncio.create_task(supervisor.start(counts))
    settings = _settings(plan)
    discovery = Discovery(plan.home, settings.metrics, lambda: supervisor.processes)
    finding = asyncio.create_task(discovery.keep())
    servers, exposition = await asyncio.to_thread(
        _serve, plan, settings, supervisor, loop, stop.set
    )
    await stop.wait()
    starting.cancel()
    await supervisor.stop()
    for server in servers:
        await asyncio.to_thread(server.stop(grace=1.0).wait)
    finding.cancel()
    await asyncio.to_thread(exposition.close)


def _serve(
    plan: Plan,
    settings: Settings,
    supervisor: Supervisor,
    loop: asyncio.AbstractEventLoop,
    end: Callable[[], None],
) -> tuple[list[grpc.Server], Exposition]:
    # Imported here, and in a thread, so that the processes start before gRPC is read.
    from observability import logs

    logs.configure(RUNTIME)
    from mesh.exposition import Exposition, on_loop
    from mesh.runtime.figures import figures
    from mesh.runtime.forward import Forward
    from mesh.runtime.service import RuntimeServicer
    from mesh.runtime.serving import serve_operator, serve_spans
    from mesh.runtime.spans import SpanStore

    spans = SpanStore()
    servicer = RuntimeServicer(supervisor, spans, loop, end)
    forwards = [Forward(target) for target in plan.forward_to]
    exposition = Exposition(settings, RUNTIME)
    exposition.start(on_loop(lambda: figures(supervisor.processes, forwards), loop))
    operator = serve_operator(plan.home, servicer, exposition.registry)
    return [serve_spans(plan.home, spans, forwards), operator], exposition


def _settings(plan: Plan) -> Settings:
    # Of what the other processes are told only this is for the runtime too.
    names = ("PLEXUS_METRICS", "PLEXUS_OTLP_METRICS", "PLEXUS_AUDIT")
    told = {name: plan.inherited.get(name, "") for name in names}
    return Settings.read({**told, "PLEXUS_HOME": str(plan.home.path), "PLEXUS_REPLICA": RUNTIME})


def _plan(home: Home, told: argparse.Namespace) -> Plan:
    control_plane, identity = _addresses(home)
    return Plan(
        home=home,
        topology=topology.load(told.topology),
        topology_path=told.topology.absolute(),
        control_plane=control_plane,
        identity=identity,
        sampling=told.sampling,
        inherited=dict(os.environ),
        observers=Observers.at_free_ports(told.jaeger, told.prometheus) if told.jaeger else None,
    )


def _addresses(home: Home) -> tuple[str, str]:
    """Those asked for, else those of the last run, so that its clients find this one, else new."""
    last = ledger.read(home)
    free = free_addresses(2)
    if last and is_free(last.control_plane) and is_free(last.identity):
        free = [last.control_plane, last.identity]
    asked = (os.environ.get("PLEXUS_CONTROL_PLANE"), os.environ.get("PLEXUS_IDENTITY"))
    return asked[0] or free[0], asked[1] or free[1]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mesh.runtime", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--topology", type=Path, required=True)
    parser.add_argument("--replicas", type=int)
    parser.add_argument("--sampling", type=float, default=1.0)
    parser.add_argument("--jaeger", type=Path)
    parser.add_argument("--prometheus", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
