"""Runs the benchmarks one after the other: `python -m bench [--quick]`. Results go to build/bench.

In all at most ten minutes; `--quick` shows within one that each of them still runs, and measures nothing
worth keeping.
"""

from __future__ import annotations

import subprocess
import sys

from bench.machine import describe
from bench.side_by_side import environment, write

BENCHES = (
    "imports",
    "start",
    "tax",
    "waterfall",
    "failover",
    "control_plane",
    "import_rate",
)
QUICK = ("imports", "tax", "waterfall", "failover", "control_plane")


def main() -> None:
    """Run them."""
    quick = "--quick" in sys.argv
    write("machine", describe())
    for name in QUICK if quick else BENCHES:
        print(f"\n== {name}", flush=True)
        line = [sys.executable, "-m", f"bench.{name}", *(["--quick"] if quick else [])]
        subprocess.run(line, check=True, env=environment())


if __name__ == "__main__":
    main()
