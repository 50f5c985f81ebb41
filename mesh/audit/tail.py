"""The newest entries of a journal, in memory that outlives the process.

A file that the kernel keeps in memory, mapped: an entry is there when `put` returns, costs no system
call, and no disk makes it wait. There are two halves. One is written to; what the other holds is on its
way to the disk, and stays until it has arrived.

    <line>\\n<line>\\n\\0\\0\\0…  <line>\\n\\0\\0\\0…

A half that begins with a zero is empty. The end of a line is written after the line: a line with an end
is whole. The file is named after the folder whose journals it belongs to, wherever that is mounted.
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from mesh import meaning

MEMORY: Path = Path("/dev/shm")  # noqa: S108 - what is there is ours, or not read
"""Where the kernel keeps files in memory, if it does."""

_MOUNTS: Final = Path("/proc/self/mounts")
_PREFIX: Final = "plexus-audit-"
_MODE: Final = 0o600
_END: Final = ord("\n")

_log = logging.getLogger(__name__)


class Tail:
    """Takes lines, and gives them back in order. One thread at a time calls `put` and `turn`; another
    may call `clear` meanwhile."""

    def __init__(self, path: Path, descriptor: int, half: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._half = half
        self._map = mmap.mmap(descriptor, 2 * half)
        self._view = memoryview(self._map)
        self._begin = self._end = 0
        self._limit = half
        self._leaving: slice | None = None

    @classmethod
    def create(cls, folder: Path) -> Tail | None:
        """An empty one for the journals in *folder*; None where files are not kept in memory, or
        there is no more room for them."""
        if not _is_memory(MEMORY):
            return None
        half = meaning.AUDIT_TAIL_BYTES
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            path = path_of(folder)
            descriptor = os.open(path, flags, _MODE)
        except OSError as error:
            _log.warning("audit_tail_unusable", extra={"cause": error.strerror})
            return None
        try:
            # All of it now: a page that could not be had later would be the end of the process.
            _fill(descriptor, 2 * half)
            return cls(path, descriptor, half)
        except OSError as error:
            _log.warning("audit_tail_unusable", extra={"cause": error.strerror})
            path.unlink()
            os.close(descriptor)
            return None

    @property
    def is_empty(self) -> bool:
        """Whether it holds nothing."""
        return self._leaving is None and self._end == self._begin

    @property
    def is_lost(self) -> bool:
        """Whether somebody removed the file: nobody would find what it holds."""
        return os.fstat(self._descriptor).st_nlink == 0

    def put(self, line: bytes) -> bool:
        """Keep *line*, which has its end; False when there is no room."""
        begin = self._end
        end = begin + len(line)
        if end > self._limit:
            return False
        self._map[begin : end - 1] = line[:-1]
        self._map[end - 1] = _END
        self._end = end
        return True

    def turn(self) -> memoryview | bytes:
        """The oldest lines, which stay until `clear`. What is `put` from now on is not among them."""
        if self._leaving is None:
            if self._end == self._begin:
                return b""
            self._leaving = slice(self._begin, self._end)
            self._begin = self._end = 0 if self._begin else self._half
            self._limit = self._begin + self._half
        return self._view[self._leaving]

    def clear(self) -> None:
        """Let go of what `turn` gave."""
        if self._leaving is not None:
            begin, end = self._leaving.start, self._leaving.stop
            # At once, and then what is behind it.
            self._map[begin] = 0
            self._map[begin:end] = bytes(end - begin)
            self._leaving = None

    def close(self) -> None:
        """Remove the file, unless it holds something still: whoever goes on finds it."""
        if self.is_empty and not self.is_lost:
            self._path.unlink()
        os.close(self._descriptor)


def path_of(folder: Path) -> Path:
    """Where the tail of the journals in *folder* is, if there is one; OSError without the folder.

    The name changes with the folder itself: a copy of it, or another of that name, has another tail.
    """
    found = folder.stat()
    own = f"{found.st_dev}:{found.st_ino}:{folder.resolve()}"
    return MEMORY / f"{_PREFIX}{hashlib.sha256(own.encode()).hexdigest()[:32]}"


def read(folder: Path) -> Sequence[bytes]:
    """What the tail of the journals in *folder* holds: both halves, in any order, without the empty.

    Nothing when there is none, or when it is not by who owns the folder. While it is written to, a half
    may be old or end in the middle of a line.
    """
    path = path_of(folder)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return ()
    except OSError as error:
        _log.error("audit_tail_not_ours", extra={"cause": error.strerror})
        return ()
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        private = stat.S_ISREG(found.st_mode) and not found.st_mode & 0o077
        if not private or found.st_uid != folder.stat().st_uid:
            _log.error("audit_tail_not_ours", extra={"cause": "its owner or its mode is another"})
            return ()
        text = file.read()
    half = len(text) // 2
    parts = (text[:half], text[half:])
    return tuple(part.rstrip(b"\0") for part in parts if part and part[0])


def remove(folder: Path) -> None:
    """Remove the tail of the journals in *folder*. What it held is elsewhere."""
    with suppress(FileNotFoundError, PermissionError):
        path_of(folder).unlink()


def _is_memory(path: Path) -> bool:
    try:
        mounts = _MOUNTS.read_text().splitlines()
    except OSError:
        return False
    kinds = [line.split()[2] for line in mounts if line.split()[1] == str(path)]
    return kinds[-1:] == ["tmpfs"] and os.access(path, os.W_OK | os.X_OK)


def _fill(descriptor: int, size: int) -> None:
    left = size
    while left:
        left -= os.write(descriptor, bytes(left))
