"""A shell session that types what a page says, with a platform of its own that always ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mesh.runtime.client import Platform
from mesh.runtime.errors import Mistake
from tests.docs.fenced import Step

PATIENCE = 100.0
"""Seconds for a whole page: below pytest's own limit, so that processes are ended and not orphaned."""

# `make setup` is what the tests themselves were started by.
_PREAMBLE = """
make() { command make --no-print-directory -o .venv/.ready "$@"; }
exec 3> "$MARKS"
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """A step after it was typed: how its last command ended, and which others failed."""

    step: Step
    code: int
    failures: Sequence[str]
    printed: str


def environment(folder: Path, home: Path) -> dict[str, str]:
    """The environment of somebody who works in *folder*, with *home* as the state folder."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PLEXUS_", "PYTEST_", "GRPC_"))
    }
    return {
        **kept,
        "PLEXUS_HOME": str(home),
        "PYTHONPATH": os.pathsep.join(map(str, (folder, folder / "clients" / "python"))),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}",
        "NO_COLOR": "1",
    }


def type_out(
    steps: Sequence[Step], folder: Path, environ: Mapping[str, str], notes: Path
) -> list[Ran]:
    """Type *steps* into one shell in *folder*; the steps that were begun, in order.

    Shell variables and functions live from step to step. *notes* is an empty folder for outputs.
    """
    marks = notes / "marks"
    marks.touch()
    script = _PREAMBLE + "".join(_typed(n, step, notes) for n, step in enumerate(steps))
    shell = subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env={**environ, "MARKS": str(marks)},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        shell.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
    return _ran(steps, notes, marks.read_text(encoding="utf-8").splitlines())


def end(home: Path) -> None:
    """End whatever runs in the state folder *home*."""
    with contextlib.suppress(Mistake):
        Platform(home).down(force=True)


def _typed(number: int, step: Step, notes: Path) -> str:
    return (
        f"\nexec > '{notes}/{number}' 2>&1\n"
        f"trap 'echo \"{number} failed $BASH_COMMAND\" | head -1 >&3' ERR\n"
        f"{step.commands}"
        f"plexus_code=$?; trap - ERR; echo {number} ended $plexus_code >&3\n"
    )


def _ran(steps: Sequence[Step], notes: Path, marks: Sequence[str]) -> list[Ran]:
    told = [mark.split(" ", 2) for mark in marks]
    return [
        Ran(
            step,
            code=next((int(t[2]) for t in told if t[:2] == [str(n), "ended"]), -1),
            failures=[t[2] for t in told if t[:2] == [str(n), "failed"]],
            printed=(notes / str(n)).read_text(encoding="utf-8"),
        )
        for n, step in enumerate(steps)
        if (notes / str(n)).exists()
    ]
