"""`plexus logs`: what processes print. Works whether or not anything runs."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from mesh.command.terminal import platform
from mesh.runtime.errors import Mistake

_POLL = 0.2


def logs(
    ctx: typer.Context,
    process: Annotated[
        str | None,
        typer.Argument(help="A process such as records-1, or a service.", show_default="all"),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as more is printed.")
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="How many of the last lines of each.")
    ] = 20,
) -> None:
    """Print what the processes of the platform have printed."""
    with platform(ctx) as here:
        folder = here.home.logs
    files = _files(folder, process)
    label = len(files) > 1
    for file in files:
        for line in _last(file, lines):
            _print(file, line, label)
    if follow:
        for file, line in _follow(files):
            _print(file, line, label)


def _files(folder: Path, process: str | None) -> list[Path]:
    found = sorted(folder.glob("*.log")) if folder.is_dir() else []
    if not found:
        raise Mistake(
            f"there are no logs in {folder}",
            "start the platform with `plexus up`, or set PLEXUS_HOME",
        )
    if process is None:
        return found
    chosen = [f for f in found if f.stem == process or f.stem.rpartition("-")[0] == process]
    if not chosen:
        raise Mistake(
            f"there is no log of {process}", f"there are {', '.join(f.stem for f in found)}"
        )
    return chosen


def _last(file: Path, count: int) -> Iterable[str]:
    with file.open(encoding="utf-8", errors="replace") as opened:
        return deque(opened, maxlen=count)


def _follow(files: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    read = {file: file.stat().st_size for file in files}
    while True:
        for file, position in read.items():
            size = file.stat().st_size
            if size == position:
                continue
            with file.open(encoding="utf-8", errors="replace") as opened:
                # A file that shrank was begun anew.
                opened.seek(position if size > position else 0)
                for line in opened:
                    yield file, line
                read[file] = opened.tell()
        time.sleep(_POLL)


def _print(file: Path, line: str, label: bool) -> None:
    prefix = f"{file.stem:<16} " if label else ""
    print(f"{prefix}{line.rstrip()}", flush=True, file=sys.stdout)
