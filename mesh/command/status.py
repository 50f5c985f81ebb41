"""`plexus status`: what runs, and how it fares."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mesh.command.terminal import console, platform

if TYPE_CHECKING:
    from rich.table import Table

    from plexus.mesh.v1.registry_service_pb2 import GetMeshStatusResponse
    from plexus.mesh.v1.replica_pb2 import Replica
    from plexus.mesh.v1.runtime_service_pb2 import Process

_GOOD = frozenset({"ready", "running"})
_COLOURS = {
    "ready": "green",
    "running": "green",
    "starting": "yellow",
    "draining": "yellow",
    "stopping": "yellow",
    "unconfirmed": "yellow",
    "backing off": "red",
    "held down": "red",
}


def status(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show every replica: health, certificate, breakers, version, restarts; and the xDS versions."""
    from mesh.runtime.errors import ControlPlaneDown

    with platform(ctx) as here:
        processes = here.processes()
        mesh: GetMeshStatusResponse | None = None
        problem = ""
        try:
            mesh = here.status()
        except ControlPlaneDown as down:
            problem = down.cause
        if as_json:
            print(json.dumps(_plain(processes, mesh, problem), indent=2))
            return
        out = console()
        out.print(_table(processes, mesh))
        for line in _lines(mesh, problem):
            out.print(line)


def _table(processes: Sequence[Process], mesh: GetMeshStatusResponse | None) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("service", no_wrap=True)
    for column in ("health", "certificate", "breakers", "version"):
        table.add_column(column)
    table.add_column("restarts", justify="right")
    table.add_column("pid", justify="right")
    replicas = {replica.name: replica for replica in mesh.replicas} if mesh else {}
    for service, group in groupby(processes, key=lambda process: process.service):
        rows = [
            (process, replicas.get(process.name), _health_of(process, replicas, mesh))
            for process in group
        ]
        if service:
            good = sum(health in _GOOD for _, _, health in rows)
            table.add_row(f"[bold]{service}[/bold]", f"[dim]{good} of {len(rows)}[/dim]")
        for process, replica, health in rows:
            table.add_row(
                f"  {process.name}" if service else f"[bold]{process.name}[/bold]",
                f"[{_COLOURS.get(health, 'yellow')}]{health}[/]",
                _life(replica),
                _breakers(replica),
                replica.version if replica else "",
                str(process.restarts),
                str(process.pid or "-"),
            )
    return table


def _lines(mesh: GetMeshStatusResponse | None, problem: str) -> Iterable[str]:
    from rich.markup import escape

    if mesh is None:
        yield f"[red]✗[/red] {escape(problem)}"
        yield "  what is shown is what the runtime knows; calls and certificates go on without it"
        return
    told = (
        f"{v.type} {v.version[:8]} ({v.acknowledged}/{v.subscribers})"
        for v in sorted(mesh.versions, key=lambda v: v.type)
    )
    if versions := ", ".join(told):
        yield f"[dim]xDS {versions}[/dim]"
    told = (f"{r.name} {r.host}:{r.metrics_port}" for r in mesh.replicas if r.metrics_port)
    if metrics := ", ".join(told):
        yield f"[dim]metrics {metrics}[/dim]"
    for nack in mesh.nacks:
        refused = f"{nack.node} refuses {nack.type} {nack.version[:8]}: {nack.message}"
        yield f"[red]✗[/red] {escape(refused)}"


def _health_of(
    process: Process, replicas: Mapping[str, Replica], mesh: GetMeshStatusResponse | None
) -> str:
    """What the mesh says of a process that runs, and what the runtime says of one that does not."""
    state = _name(process, "state")
    if state != "running" or not process.service or mesh is None:
        return state
    replica = replicas.get(process.name)
    if replica is None or replica.pid != process.pid:
        return "starting"
    return _name(replica, "state")


def _life(replica: Replica | None) -> str:
    if replica is None or not replica.HasField("certificate_expire_time"):
        return ""
    left = replica.certificate_expire_time.ToSeconds() - time.time()
    if left <= 0:
        return "[red]expired[/red]"
    return f"{left / 60:.0f} min" if left >= 120 else f"{left:.0f} s"


def _breakers(replica: Replica | None) -> str:
    if replica is None:
        return ""
    states = ((_name(b, "state"), b.method.rpartition("/")[2]) for b in replica.breakers)
    bad = [f"[red]{state}[/red] {method}" for state, method in states if state != "closed"]
    return ", ".join(bad) or "closed"


def _name(message: Any, field: str) -> str:
    """The value of an enum field in words: REPLICA_STATE_READY is `ready`."""
    enum = message.DESCRIPTOR.fields_by_name[field].enum_type
    prefix = str(enum.values[0].name).removesuffix("UNSPECIFIED")
    value = str(enum.values_by_number[getattr(message, field)].name)
    return value.removeprefix(prefix).lower().replace("_", " ")


def _plain(
    processes: Sequence[Process], mesh: GetMeshStatusResponse | None, problem: str
) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    def told(message: Any) -> dict[str, Any]:
        return MessageToDict(
            message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )

    return {
        "control_plane": {"answers": mesh is not None, "problem": problem},
        "processes": [told(process) for process in processes],
        **(told(mesh) if mesh is not None else {"replicas": [], "versions": [], "nacks": []}),
    }
