"""Who writes the journals of a replica: one process, for as long as it holds a lock."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mesh.audit.failures import JournalTaken
from mesh.audit.files import LOCK

_MODE: Final = 0o600
_POLL: Final = 0.02


def take(replica: Path, patience: float) -> int:
    """Hold the journals in *replica* for this process, until the descriptor is closed; JournalTaken.

    A process that was told to stop may still be finishing: *patience* is in seconds.
    """
    descriptor = os.open(replica / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
    deadline = time.monotonic() + patience
    while not _has(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            os.close(descriptor)
            raise JournalTaken(f"another process writes the journals in {replica}")
        time.sleep(_POLL)
    return descriptor


@contextmanager
def held(replica: Path, *, alone: bool = False) -> Iterator[bool]:
    """Hold the journals in *replica* against a writer meanwhile; False when there is one.

    *alone*: against others who read, too.
    """
    try:
        descriptor = os.open(replica / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    try:
        yield _has(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _has(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
