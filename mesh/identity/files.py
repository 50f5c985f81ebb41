"""Files that are whole or absent, and secrets that only their owner reads."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PRIVATE = 0o600
PUBLIC = 0o644


def make_private_folder(path: Path) -> None:
    """Make *path* and its parents; *path* itself is readable by its owner only."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold *folder* against other processes that ask for it in the same way."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_whole(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """Replace *path* by *content*: a reader, or a crash, finds the old or the new, never a part."""
    temporary = _temporary(path, content, mode)
    temporary.replace(path)
    _sync_folder(path.parent)


def write_first(path: Path, content: bytes, mode: int = PRIVATE) -> bytes:
    """Write *path* unless it exists, and return what it holds: of many writers one wins."""
    temporary = _temporary(path, content, mode)
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return path.read_bytes()
    finally:
        temporary.unlink()
    _sync_folder(path.parent)
    return content


def _temporary(path: Path, content: bytes, mode: int) -> Path:
    # In the same folder, since a rename is atomic within one file system only.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
