"""`plexus logs`: what the processes of the platform write, as one. Works whether or not anything runs."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from mesh.command.gathering import Event, Logs, Wanted, files_of
from mesh.command.terminal import platform
from mesh.runtime.errors import Mistake
from observability.lines import WRONG, service_of, show

_POLL = 0.2
_LINES = 20


def logs(
    ctx: typer.Context,
    process: Annotated[
        str | None,
        typer.Argument(help="A process such as records-1, or a service.", show_default="all"),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as more is written, by new replicas too.")
    ] = False,
    trace: Annotated[
        str | None, typer.Option("--trace", metavar="ID", help="Only the calls of one trace.")
    ] = None,
    service: Annotated[
        str | None, typer.Option("--service", help="Only the replicas of one service.")
    ] = None,
    errors: Annotated[
        bool, typer.Option("--errors", help="Only what went wrong: warnings and errors.")
    ] = False,
    lines: Annotated[
        int | None,
        typer.Option(
            "--lines",
            "-n",
            min=0,
            help="How many of the last lines of each process.",
            show_default=f"{_LINES}; all of a trace",
        ),
    ] = None,
) -> None:
    """Print what the processes have written, in the order of time.

    A terminal gets lines to read; a pipe gets a JSON object a line.
    """
    if trace is not None and not re.fullmatch("[0-9a-f]{32}", trace):
        raise Mistake(
            f"{trace} is not a trace id",
            "it has 32 hexadecimal digits; `plexus call --trace` prints one",
        )
    with platform(ctx) as here:
        folder = here.home.logs
    files = files_of(folder)
    _check(files, folder, process)
    _check(files, folder, service)
    wanted = _filter(process, service, trace, errors=errors)
    written = Logs(folder)
    most = _LINES if lines is None and trace is None else lines
    _print(written.look(wanted, most))
    while follow:
        time.sleep(_POLL)
        _print(written.look(wanted))


def _check(files: dict[str, Path], folder: Path, name: str | None) -> None:
    if not files:
        raise Mistake(
            f"there are no logs in {folder}",
            "start the platform with `plexus up`, or set PLEXUS_HOME",
        )
    if name is not None and not any(name in (each, service_of(each)) for each in files):
        raise Mistake(f"there is no log of {name}", f"there are {', '.join(files)}")


def _filter(process: str | None, service: str | None, trace: str | None, *, errors: bool) -> Wanted:
    def wanted(event: Event) -> bool:
        name = str(event.get("process", ""))
        return (
            (process is None or process in (name, service_of(name)))
            and (service is None or service in (name, service_of(name)))
            and (trace is None or event.get("trace_id") == trace)
            and (not errors or event.get("level") in WRONG)
        )

    return wanted


def _print(events: Iterable[Event]) -> None:
    readable = sys.stdout.isatty()
    colour = readable and not os.environ.get("NO_COLOR")
    for event in events:
        line = show(event, colour=colour) if readable else json.dumps(event, ensure_ascii=False)
        print(line, flush=True)
