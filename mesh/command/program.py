"""The commands of `plexus`, grouped as its help shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mesh.chaos import command as chaos
from mesh.command import (
    audit,
    calling,
    contracts,
    importing,
    lifecycle,
    logs,
    processes,
    status,
    traces,
)
from mesh.command.group import Program

_PLATFORM = "The platform"
_SERVICES = "Its services"
_CONTRACTS = "Its contracts"

app = typer.Typer(
    cls=Program,
    help="Run Plexus on this machine, look at it, break it, and talk to its services.",
    epilog="State lies in PLEXUS_HOME, by default .plexus in the working folder.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        typer.echo(f"plexus {version('plexus-platform')}")
    except PackageNotFoundError:
        typer.echo("plexus, not installed: run from its source")
    raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    ctx: typer.Context,
    home: Annotated[
        Path | None,
        typer.Option(
            "--home", envvar="PLEXUS_HOME", help="The state folder.", show_default=".plexus"
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    del version
    ctx.obj = home
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


app.command("up", rich_help_panel=_PLATFORM)(lifecycle.up)
app.command("down", rich_help_panel=_PLATFORM)(lifecycle.down)
app.command("status", rich_help_panel=_PLATFORM)(status.status)
app.command("scale", rich_help_panel=_PLATFORM)(processes.scale)
app.command("kill", rich_help_panel=_PLATFORM)(processes.kill)
app.command("logs", rich_help_panel=_PLATFORM)(logs.logs)
app.command("call", rich_help_panel=_SERVICES)(calling.call)
app.command("import", rich_help_panel=_SERVICES)(importing.import_)
app.command("trace", rich_help_panel=_SERVICES)(traces.trace)
app.command("traces", rich_help_panel=_SERVICES)(traces.traces)
app.add_typer(audit.app, name="audit", rich_help_panel=_PLATFORM)
app.add_typer(contracts.app, name="contract", rich_help_panel=_CONTRACTS)
app.add_typer(chaos.app, name="chaos", rich_help_panel=_PLATFORM)
