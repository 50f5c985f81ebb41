"""Plays the whole of it on a platform of its own, and prints what was found: a JSON object.

    python -m tests.observability.canary [SEED]

It is a process of its own because a process can be in one mesh only.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from mesh.chaos.faults.refusal import NotInjectable
from mesh.chaos.faults.storage import small_disk
from mesh.chaos.stage import private_platform
from plexus.contract import load
from tests.observability.canary import chaos
from tests.observability.canary.play import Play
from tests.observability.canary.searching import searched
from tests.observability.canary.taps import tapped

_SETTLE = 1.5


def main() -> None:
    """Play, search, plant, search again."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else time.time_ns() % 10**9
    contract = load()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="qc-"))
        stack.callback(chaos.forget, folder)
        platform = stack.enter_context(private_platform())
        home = platform.home.path
        tap_socket = home / "tap.sock"
        os.environ["PLEXUS_OTLP"] = f"unix:{tap_socket}"
        play_ = Play(platform, contract, seed)
        try:
            stack.enter_context(small_disk(home, "scheduling"))
        except NotInjectable:
            play_.missing.append("a small disk")
        tap = stack.enter_context(tapped(tap_socket))
        platform.up(timeout=120)
        play_.in_order()
        play_.in_disorder()
        time.sleep(_SETTLE)
        ran = chaos.run(folder, play_.flock)
        told = searched(play_, tap, folder, ran)
        platform.down()
    print(json.dumps({"seed": seed, **told}, indent=1))


if __name__ == "__main__":
    main()
