"""Writes records until it is killed: `writer.py HOME LENGTH [POINT]`. Prints what was acknowledged.

With a point, one of `POINTS`, it kills itself there, some hundred records later.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mesh import meaning
from mesh.audit.failures import JournalUnavailable
from mesh.audit.segment import Segment
from mesh.audit.tail import Tail
from tests.mesh.audit.books import Books, access

BEFORE = 300


def main() -> None:
    """Never ends by itself."""
    journal = Books(Path(sys.argv[1])).journal()
    journal.open()
    patients = [f"pat_{number:08}" for number in range(int(sys.argv[2]))]
    number = 0
    while True:
        try:
            print(journal.append(access(patients=patients)), flush=True)
        except JournalUnavailable:
            die()
        number += 1
        if number == BEFORE and len(sys.argv) > 3:
            POINTS[sys.argv[3]]()


def die(*_: object) -> None:
    """As a process ends that somebody kills."""
    os.kill(os.getpid(), signal.SIGKILL)


def _before(owner: type, name: str) -> Callable[[], None]:
    return lambda: setattr(owner, name, die)


def _after(owner: type, name: str) -> Callable[[], None]:
    done: Callable[..., Any] = getattr(owner, name)

    def doing(*arguments: Any) -> None:
        done(*arguments)
        die()

    return lambda: setattr(owner, name, doing)


def _half_written() -> None:
    write = Segment.write

    def half(segment: Segment, data: bytes) -> None:
        write(segment, bytes(data)[: len(data) // 2])
        die()

    setattr(Segment, "write", half)  # noqa: B010


def _being_cleared() -> None:
    def clear(tail: Any) -> None:
        tail._map[tail._leaving.start] = 0
        die()

    setattr(Tail, "clear", clear)  # noqa: B010


def _next_file() -> None:
    meaning.AUDIT_FILE_BYTES = 1  # type: ignore[misc]
    created = Segment.create

    def create(path: Path) -> Segment:
        created(path)
        die()
        raise AssertionError

    setattr(Segment, "create", create)  # noqa: B010


def _disk_full() -> None:
    """Whoever is not answered any more is killed then."""
    longest = max(path.stat().st_size for path in Path(sys.argv[1]).rglob("*.jsonl"))
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (longest + 100, most))


POINTS: dict[str, Callable[[], None]] = {
    "before it is written": _before(Segment, "write"),
    "half of it is written": _half_written,
    "before it is synced": _before(Segment, "sync"),
    "after it is synced": _after(Segment, "sync"),
    "before the tail is cleared": _before(Tail, "clear"),
    "while the tail is cleared": _being_cleared,
    "after the tail is cleared": _after(Tail, "clear"),
    "when the next file is begun": _next_file,
    "when the disk is full": _disk_full,
}

if __name__ == "__main__":
    main()
