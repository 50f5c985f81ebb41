"""`plexus scale` and `plexus kill`."""

from __future__ import annotations

import signal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from mesh.command.terminal import console, platform
from mesh.runtime.errors import Mistake

if TYPE_CHECKING:
    from collections.abc import Iterable

    from plexus.mesh.v1.runtime_service_pb2 import Process

_MOST = 32


class Signal(StrEnum):
    """What `kill` sends."""

    KILL = "KILL"
    TERM = "TERM"
    STOP = "STOP"
    CONT = "CONT"


def scale(
    ctx: typer.Context,
    counts: Annotated[
        list[str], typer.Argument(metavar="SERVICE=N...", help="Such as records=3 billing=0.")
    ],
    wait: Annotated[bool, typer.Option(help="Wait until the new replicas are ready.")] = True,
    timeout: Annotated[float, typer.Option(min=1.0, help="How long to wait, in seconds.")] = 30.0,
) -> None:
    """Set how many replicas of a service run; those held down are started again."""
    wanted = dict(map(_count, counts))
    with platform(ctx) as here:
        for service, replicas in wanted.items():
            here.scale(service, replicas)
        if wait:
            here.wait_ready(wanted, timeout)
    for service, replicas in wanted.items():
        fact = "ready" if wait else "on their way"
        console().print(f"[green]✓[/green] {service} [dim]{replicas} {fact}[/dim]")


def kill(
    ctx: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            help="A process such as billing-1, a service for all its replicas, or control-plane."
        ),
    ],
    signal_: Annotated[
        Signal,
        typer.Option(
            "--signal",
            "-s",
            case_sensitive=False,
            help="KILL: gone at once. TERM: drains. STOP: hangs. CONT: goes on.",
        ),
    ] = Signal.KILL,
    hold: Annotated[
        bool, typer.Option("--hold", help="Keep it down until `plexus scale` brings it back.")
    ] = False,
) -> None:
    """Send a signal to a process of the platform, or to all replicas of a service."""
    with platform(ctx) as here:
        found = here.signal(target, signal.Signals[f"SIG{signal_.value}"], hold_down=hold)
    for line in _told(found):
        console().print(line)


def _told(processes: Iterable[Process]) -> Iterable[str]:
    from plexus.mesh.v1.runtime_service_pb2 import ProcessState

    for process in processes:
        name = ProcessState.Name(process.state).removeprefix("PROCESS_STATE_")
        state = name.lower().replace("_", " ")
        yield f"{process.name:<16} [dim]{state}[/dim]"


def _count(text: str) -> tuple[str, int]:
    service, _, number = text.partition("=")
    if not service or not number.isdecimal() or int(number) > _MOST:
        raise Mistake(
            f"{text} is not SERVICE=N with N from 0 to {_MOST}",
            "write it as in `plexus scale records=3`",
        )
    return service, int(number)
