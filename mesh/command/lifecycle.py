"""`plexus up` and `plexus down`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mesh.command.terminal import console, platform

if TYPE_CHECKING:
    from rich.console import Console

    from mesh.runtime.client import Platform
    from mesh.runtime.starting import Step


def up(
    ctx: typer.Context,
    replicas: Annotated[
        int | None,
        typer.Option(
            "--replicas",
            "-n",
            min=0,
            max=32,
            help="Replicas of each service.",
            show_default="what the topology says",
        ),
    ] = None,
    sampling: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            envvar="PLEXUS_TRACE_SAMPLING",
            help="The share of traces that is recorded.",
        ),
    ] = 1.0,
    topology: Annotated[
        Path | None,
        typer.Option(help="What to run.", show_default="topology.toml"),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=1.0, help="How long to wait until all is ready, in seconds.")
    ] = 60.0,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay, and stop everything on Ctrl-C.")
    ] = False,
    jaeger: Annotated[
        bool,
        typer.Option(
            "--jaeger",
            help="Start Jaeger too, built once with Go if this machine has none; and Prometheus, "
            "if it has one.",
        ),
    ] = False,
) -> None:
    """Start everything, and return when all of it is ready."""
    out = console()

    def tell(step: Step) -> None:
        out.print(f"[green]✓[/green] {step.name:<14} [dim]{step.fact}[/dim]")

    with platform(ctx) as here:
        programs = _observers(out) if jaeger and not here.is_running() else (None, None)
        started = here.up(
            replicas=replicas,
            topology=topology,
            sampling=sampling,
            timeout=timeout,
            tell=tell,
            attached=foreground,
            jaeger=programs[0],
            prometheus=programs[1],
        )
        if not started:
            out.print(f"[green]✓[/green] runs already in {here.home.path}; see `plexus status`")
            if jaeger:
                _tell_jaeger(out, here)
        elif foreground:
            _stay(here.wait_end)


def down(
    ctx: typer.Context,
    force: Annotated[
        bool, typer.Option("--force", help="Kill everything at once, without a drain.")
    ] = False,
) -> None:
    """Stop everything: replicas drain first, the control plane goes last."""
    with platform(ctx) as here:
        stopped = here.down(force=force)
    console().print(f"[green]✓[/green] stopped {stopped} processes")


def _observers(out: Console) -> tuple[Path, Path | None]:
    """Jaeger, and Prometheus if it is here; ProgramMissing."""
    from mesh.runtime import programs

    def say(line: str) -> None:
        out.print(f"[dim]…[/dim] {line}")

    jaeger = programs.obtain(programs.JAEGER, say)
    prometheus = programs.find(programs.PROMETHEUS)
    if prometheus is None:
        say("no Prometheus here: Jaeger's Monitor tab stays empty")
    return jaeger, prometheus


def _tell_jaeger(out: Console, here: Platform) -> None:
    """Where it is in a platform that ran already; Mistake when that was started without."""
    from mesh.runtime.errors import Mistake

    if "jaeger" not in here.observers():
        raise Mistake(
            "it was started without Jaeger", "`plexus down`, then `plexus up --jaeger` again"
        )
    out.print(f"[green]✓[/green] {'jaeger':<14} [dim]http://{here.observers()['jaeger']}[/dim]")


def _stay(wait_end: Callable[[], None]) -> None:
    while True:
        try:
            wait_end()
        except KeyboardInterrupt:
            # The terminal has told the runtime as well; what is left is to wait for its end.
            continue
        return
