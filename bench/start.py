"""How long `plexus up` takes until everything is ready, and how fast the running platform takes FHIR in.

    python -m bench.start [--rounds 2] [--patients 50]

Everything is real: `plexus` as a process, a state folder of its own for every round, mutual TLS, xDS,
SQLite. Prints and writes build/bench/start.json: seconds to ready, resources per second of a first
and a second import, resident memory of each kind of process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from demo.patients import synthesize

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "build" / "bench" / "start.json"
_SEED = 7


def plexus(home: Path, *arguments: str) -> str:
    """Run `plexus` as a person would; its output."""
    done = subprocess.run(
        [sys.executable, "-m", "mesh.command", *arguments],
        cwd=ROOT,
        env={**os.environ, "PLEXUS_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"plexus {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def measure(home: Path, files: Path, resources: int) -> Mapping[str, float | Mapping[str, float]]:
    """One round: up, import, import again, memory, down."""
    try:
        ready = _seconds(lambda: plexus(home, "up"))
        first = _seconds(lambda: plexus(home, "import", str(files)))
        again = _seconds(lambda: plexus(home, "import", str(files)))
        return {
            "ready_seconds": ready,
            "import_per_second": resources / first,
            "repeat_per_second": resources / again,
            "megabytes": _memory(json.loads(plexus(home, "status", "--json"))["processes"]),
        }
    finally:
        plexus(home, "down", "--force")


def _seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _memory(processes: Sequence[Mapping[str, object]]) -> Mapping[str, float]:
    """Resident megabytes, the largest of each service's replicas."""
    found: dict[str, float] = {}
    for process in processes:
        name = str(process.get("service") or process["name"])
        status = Path(f"/proc/{process['pid']}/status").read_text(encoding="utf-8")
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        found[name] = max(found.get(name, 0.0), int(resident.split()[1]) / 1024)
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--patients", type=int, default=50)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "bundles"
        files.mkdir()
        resources = 0
        for number, bundle in enumerate(synthesize(told.patients, _SEED)):
            resources += len(bundle["entry"])
            (files / f"{number}.json").write_text(json.dumps(bundle), encoding="utf-8")
        rounds = [
            measure(Path(folder) / f"home{number}", files, resources)
            for number in range(told.rounds)
        ]
    result = {"resources": resources, "rounds": rounds}
    for key in ("ready_seconds", "import_per_second", "repeat_per_second"):
        values = [float(str(measured[key])) for measured in rounds]
        result[key] = statistics.median(values)
        shown = "  ".join(f"{value:.1f}" for value in values)
        print(f"{key:18} median {result[key]:8.1f}   rounds {shown}")
    print("megabytes         ", rounds[-1]["megabytes"])
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
