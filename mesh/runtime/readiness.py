"""Whether replicas are ready, and what to say when they are not."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from mesh.runtime.errors import NotReady, StartFailed
from mesh.runtime.observers import NAMES
from mesh.topology import CONTROL_PLANE
from observability.lines import gist, parse
from plexus.mesh.v1 import replica_pb2
from plexus.mesh.v1.registry_service_pb2 import GetMeshStatusResponse
from plexus.mesh.v1.runtime_service_pb2 import Process

# What ended this often before it was ready will not become ready by waiting.
_HOPELESS = 4


def ready_replicas(status: GetMeshStatusResponse | None) -> dict[str, int]:
    """The process id of every replica that takes work, by name."""
    replicas = status.replicas if status else ()
    return {r.name: r.pid for r in replicas if r.state == replica_pb2.REPLICA_STATE_READY}


def not_ready(missing: list[str], processes: Iterable[Process], timeout: float) -> NotReady:
    """*missing*, services or replicas, did not become ready within *timeout* seconds."""
    name = missing[0] if missing else CONTROL_PLANE
    log = next((p.name for p in processes if name in (p.name, p.service)), name)
    return NotReady(
        f"not ready within {timeout:g} s: {', '.join(missing) or CONTROL_PLANE}",
        f"see `plexus logs {log}`",
    )


def give_up_on_hopeless(processes: Iterable[Process]) -> None:
    """Raise StartFailed when a process ends again and again."""
    for process in processes:
        if process.name in NAMES:
            # The platform is up without them.
            continue
        if process.restarts >= _HOPELESS and not process.pid:
            raise StartFailed(
                f"{process.name} ends as often as it is started: "
                f"{last_line(Path(process.log_path))}",
                f"see `plexus logs {process.name}`; `plexus down` stops the rest",
            )


def certificates(status: GetMeshStatusResponse) -> str:
    """How many replicas hold one, and how long the first to expire is valid."""
    ends = [r.certificate_expire_time.ToSeconds() for r in status.replicas]
    if not ends:
        return "none yet"
    return f"{len(ends)}, valid for {(min(ends) - time.time()) / 60:.0f} min"


def last_line(log: Path) -> str:
    """The last thing a process said, at most 200 characters of it."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return gist(parse(lines[-1], log.stem))[:200] if lines else "it said nothing"
