"""What a process prints, in a file that does not grow without end."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

LARGEST: Final = 16 * 1024 * 1024
"""Of the file that is being written; as much again is kept beside it."""


def opened(log: Path) -> int:
    """A descriptor to print to; everything it is handed to writes to the end of the file."""
    bound(log)
    return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def bound(log: Path, largest: int = LARGEST) -> bool:
    """Put what is in *log* aside when it has grown large, and empty it; whether that was so.

    The file stays the one that processes write to. What they write between the two steps is lost.
    """
    with suppress(OSError):
        if log.stat().st_size > largest:
            older = log.with_suffix(".log.1")
            shutil.copyfile(log, older)
            older.chmod(0o600)
            os.truncate(log, 0)
            return True
    return False
