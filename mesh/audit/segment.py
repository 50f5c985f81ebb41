"""The file that a journal writes to just now."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_MODE: Final = 0o600

_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC


class Segment:
    """Takes lines at its end. *size* is that of what it has taken, in bytes.

    What fails leaves nothing behind, as far as the disk allows; `reopen` sees to the rest.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    @classmethod
    def create(cls, path: Path) -> Segment:
        """A new file, which the folder knows of when this returns; OSError."""
        descriptor = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, _MODE)
        try:
            sync_folder(path.parent)
            return cls(path, descriptor)
        except OSError:
            os.close(descriptor)
            path.unlink()
            raise

    @classmethod
    def open(cls, path: Path) -> Segment:
        """A file that is there; OSError."""
        return cls(path, os.open(path, _FLAGS))

    def write(self, data: bytes | memoryview) -> None:
        """Hand *data* to the operating system; OSError."""
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(data)

    def sync(self) -> None:
        """Bring what was written to the disk; OSError."""
        os.fdatasync(self._descriptor)

    def add(self, data: bytes | memoryview) -> None:
        """Bring *data* to the disk, and what was written before; OSError, and *data* is to be added again."""
        if not data:
            # Others may be writing.
            self.sync()
            return
        before = self.size
        self.write(data)
        try:
            self.sync()
        except OSError:
            # A disk that failed once may say later that all is well, and not have it.
            self.size = before
            with suppress(OSError):
                os.ftruncate(self._descriptor, before)
            raise

    def reopen(self) -> None:
        """Go on after a failure, behind what was taken; OSError."""
        descriptor = os.open(self._path, _FLAGS)
        os.close(self._descriptor)
        self._descriptor = descriptor
        found = os.fstat(descriptor).st_size
        if found < self.size:
            raise OSError(errno.EIO, "the file is shorter than it was")
        if found > self.size:
            os.ftruncate(descriptor, self.size)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


def sync_folder(path: Path) -> None:
    """Bring the names in a folder to the disk; OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
