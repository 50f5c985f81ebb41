"""Runs the benchmarks one after the other: `python -m bench`."""

from __future__ import annotations

import subprocess
import sys

BENCHES = ("start", "import_rate")

for name in BENCHES:
    print(f"\n== {name}", flush=True)
    subprocess.run([sys.executable, "-m", f"bench.{name}"], check=True)
