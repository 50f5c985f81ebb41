"""What it costs to import the client package, and a service.

    python -m bench.imports [--rounds 9] [--quick]

Each import is a fresh interpreter's, with byte code compiled. Told are its seconds and its CPU, less those of
an interpreter that imports nothing, and the modules that took longest of it, with what they import in
turn (`python -X importtime`).

Writes build/bench/imports.json.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

from bench.side_by_side import ROOT, environment, spread, write

STATEMENTS: Final[Mapping[str, tuple[str, str]]] = {
    "grpc": ("grpcio alone", "import grpc"),
    "client": ("the client package", "import plexus.client"),
    "partner": (
        "the client package and a service's stubs",
        "import plexus.client, plexus.records.v1.records_service_pb2_grpc",
    ),
    "contract": (
        "the same, and the contracts read",
        "import plexus.client, plexus.contract; plexus.contract.load()",
    ),
    "service": ("a service", "import services.records.__main__"),
}
_NOTHING: Final = "pass"
_SHOWN: Final = 12


def once(statement: str) -> tuple[float, float]:
    """Seconds and CPU seconds of an interpreter that runs *statement*."""
    began = time.monotonic()
    child = subprocess.Popen([sys.executable, "-c", statement], env=environment(), cwd=ROOT)
    _, status, used = os.wait4(child.pid, 0)
    took = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{statement}: ended with {child.returncode}")
    return took, used.ru_utime + used.ru_stime


def measure(rounds: int) -> dict[str, Any]:
    """Everything, in turns; what is written. In milliseconds."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in STATEMENTS}
    for statement in (_NOTHING, *(statement for _, statement in STATEMENTS.values())):
        once(statement)
    for _ in range(rounds):
        empty, idle = once(_NOTHING)
        for name, (_, statement) in STATEMENTS.items():
            took, used = once(statement)
            taken[name].append(((took - empty) * 1000, (used - idle) * 1000))
    return {
        name: {
            "title": title,
            **spread("ms", [took for took, _ in taken[name]]),
            "cpu_ms": statistics.median(used for _, used in taken[name]),
            "heaviest": heaviest(statement),
        }
        for name, (title, statement) in STATEMENTS.items()
    }


def heaviest(statement: str) -> list[tuple[str, float]]:
    """The modules that took longest, what they import included, in milliseconds."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", statement],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    # import time: self [us] | cumulative | imported package
    rows = [line.partition(":")[2].split("|") for line in done.stderr.splitlines()[1:]]
    found = [(row[2].strip(), int(row[1]) / 1000) for row in rows if len(row) == 3]
    return sorted(found, key=lambda one: -one[1])[:_SHOWN]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="once")
    told = parser.parse_args()
    result = measure(1 if told.quick else told.rounds)
    for of in result.values():
        print(f"{of['title']:42} {of['ms']:5.0f} ms  CPU {of['cpu_ms']:5.0f} ms")
    write("imports", result)


if __name__ == "__main__":
    main()
