"""A shell session that types what a page says, with a platform of its own that always ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mesh.runtime.client import Platform
from mesh.runtime.errors import Mistake
from tests.docs.fenced import Step

PATIENCE = 240.0
"""Seconds for a whole page, on a machine that has much else to do."""

_PREAMBLE = """
exec 3> "$MARKS" 4<&0 < /dev/null

# Whoever types may be killed: its end of this pipe closes then, unsaid, and everything ends here too.
set -m
{ read -r <&4 || { kill -KILL -$$; sleep 1; plexus down --force; } } > /dev/null 2>&1 3>&- &
set +m
exec 4<&-

# `make setup` is what the tests themselves were started by.
make() { command make --no-print-directory -o .venv/.ready "$@"; }
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
    with subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env={**environ, "MARKS": str(marks)},
        stdin=subprocess.PIPE,
        start_new_session=True,
    ) as shell:
        try:
            shell.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.communicate(b"ended\n")
    return _ran(steps, notes, marks.read_text(encoding="utf-8").splitlines())


def end(home: Path) -> None:
    """End whatever runs in the state folder *home*."""
    platform = Platform(home)
    deadline = time.monotonic() + 10.0
    while True:
        with contextlib.suppress(Mistake):
            platform.down(force=True)
        # A runtime that has only just begun does not know its processes yet.
        if not platform.is_running() or time.monotonic() > deadline:
            return
        time.sleep(0.1)


def _typed(number: int, step: Step, notes: Path) -> str:
    return (
        f"\nexec > '{notes}/{number}' 2>&1\n"
        f"trap 'echo \"{number} failed $BASH_COMMAND\" | head -1 >&3' ERR\n"
        f"{step.commands}"
        f"code=$?; trap - ERR; echo {number} ended $code >&3\n"
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
