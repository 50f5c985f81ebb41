"""How far and how fast the control plane reaches: clients and endpoints by the thousand.

    python -m bench.control_plane [--changes 8] [--quick]

Simulated clients (`bench.peers.subscribers`, two processes of them) subscribe to a real control plane
(`bench.peers.plane`) whose replicas are made up; one whose stream is lost comes back. A change is one
replica of records that begins to drain or takes work again. Measured: seconds from the change to the
last client's acceptance, the control plane's CPU for each change, its resident memory, and what the
clients received: how many bytes, and of which types. Clients and control plane share the machine, so
most of the time is the clients'.

Writes build/bench/control_plane.json.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.load import quantile
from bench.peers.mesh import Mesh
from bench.side_by_side import Child, cpu_seconds, resident_megabytes, write

# (clients, endpoints), clients never fewer than before.
POINTS: Final = ((10, 10), (10, 100), (100, 100), (100, 1000), (100, 5000), (500, 100))
FAR: Final = ((2000, 10), (2000, 100), (2000, 1000), (2000, 5000))
_QUICK: Final = ((10, 10), (50, 100))


def measure(points: Sequence[tuple[int, int]], changes: int) -> list[dict[str, Any]]:
    """Every point, in order; what is written."""
    told = []
    with tempfile.TemporaryDirectory() as folder:
        mesh = Mesh(Path(folder), control_plane=("-m", "bench.peers.plane"))
        try:
            crowds = [mesh.join(number, "-m", "bench.peers.subscribers") for number in (1, 2)]
            for clients, endpoints in points:
                told.append(_point(mesh.control_plane, crowds, clients, endpoints, changes))
                _show(told[-1])
        finally:
            mesh.close()
    return told


def _point(
    plane: Child, crowds: Sequence[Child], clients: int, endpoints: int, changes: int
) -> dict[str, Any]:
    plane.ask(endpoints=endpoints)
    began = time.monotonic()
    for crowd in crowds:
        crowd.tell(clients=clients // len(crowds))
    for crowd in crowds:
        crowd.hear()
    joined = time.monotonic() - began
    _received(crowds)
    used = cpu_seconds(plane.pid)
    taken = sorted(plane.ask(changes=changes))
    used = cpu_seconds(plane.pid) - used
    responses, sent, lost = _received(crowds)
    return {
        "clients": clients,
        "endpoints": endpoints,
        "joined_seconds": joined,
        "p50_ms": statistics.median(taken) * 1000,
        "p99_ms": quantile(taken, 0.99) * 1000,
        "cpu_ms": used / changes * 1000,
        "megabytes": resident_megabytes(plane.pid),
        "bytes": sum(sent.values()) / changes,
        "bytes_by_type": {kind: count / changes for kind, count in sent.items()},
        "lost_streams": lost,
        "responses_by_type": {kind: count / changes for kind, count in responses.items()},
    }


def _received(crowds: Sequence[Child]) -> tuple[Counter[str], Counter[str], int]:
    responses: Counter[str] = Counter()
    sent: Counter[str] = Counter()
    lost = 0
    for crowd in crowds:
        told = crowd.ask()
        responses.update(told["responses"])
        sent.update(told["bytes"])
        lost += told["lost"]
    return responses, sent, lost


def _show(point: dict[str, Any]) -> None:
    kinds = ", ".join(point["responses_by_type"])
    print(
        f"{point['clients']:5} clients {point['endpoints']:5} endpoints: to the last ACK"
        f" p50 {point['p50_ms']:7.1f} ms  p99 {point['p99_ms']:7.1f} ms  CPU {point['cpu_ms']:7.1f} ms"
        f"  {point['bytes'] / 1e6:7.2f} MB of {kinds}  resident {point['megabytes']:.0f} MB"
        + (f"  {point['lost_streams']} streams lost" if point["lost_streams"] else ""),
        flush=True,
    )


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--changes", type=int, default=8)
    parser.add_argument("--quick", action="store_true", help="a few clients and endpoints")
    told = parser.parse_args()
    points = measure(_QUICK, 4) if told.quick else measure((*POINTS, *FAR), told.changes)
    write("control_plane", {"points": points})


if __name__ == "__main__":
    main()
