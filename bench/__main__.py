"""Runs the benchmarks one after the other: `python -m bench [--quick]`. Results go to build/bench.

In all at most ten minutes; `--quick` shows within one that each of them still runs, and measures nothing
worth keeping.
"""

from __future__ import annotations

import subprocess
import sys
import time

from bench.machine import describe
from bench.side_by_side import environment, write

BENCHES = (
    "imports",
    "start",
    "tax",
    "tracing",
    "waterfall",
    "failover",
    "control_plane",
    "import_rate",
)
QUICK = {
    "imports": ("--quick",),
    "tax": ("--quick",),
    "tracing": ("--rounds", "1", "--seconds", "0.1"),
    "waterfall": ("--quick",),
    "failover": ("--quick",),
    "control_plane": ("--quick",),
}


def main() -> None:
    """Run them."""
    quick = "--quick" in sys.argv
    write("machine", describe())
    for name in QUICK if quick else BENCHES:
        print(f"\n== {name}", flush=True)
        line = [sys.executable, "-m", f"bench.{name}", *(QUICK[name] if quick else ())]
        began = time.monotonic()
        subprocess.run(line, check=True, env=environment())
        print(f"({name}: {time.monotonic() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
