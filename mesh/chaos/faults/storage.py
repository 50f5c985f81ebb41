"""What can happen to a service's SQLite database: locked by another process, gone, its disk full."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Final

from mesh.chaos.faults.refusal import NotInjectable
from mesh.chaos.model import FaultSpec, Kind
from mesh.runtime.client import Platform

_PATIENCE: Final = 5.0
_MEGABYTE: Final = 1 << 20
_LARGEST: Final = 256 * _MEGABYTE
_BLOCK: Final = 4096


class Locked:
    """Another process holds SQLite's lock on writes. Readers go on: that is what WAL is for."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._holder: sqlite3.Connection | None = None

    def inject(self) -> None:
        """Take the lock; returns when this process holds it."""
        self._holder = _connect(self._database)
        self._holder.execute("BEGIN IMMEDIATE")

    def lift(self) -> None:
        """Let go of it. The operating system does so, too, should this process die."""
        holder, self._holder = self._holder, None
        if holder is not None:
            holder.rollback()
            holder.close()


class Gone:
    """The file is not where it was, and cannot be made there: a disk that was detached.

    What was under way when it went is in the file that comes back.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._aside = database.with_name(f"{database.name}.aside")

    def inject(self) -> None:
        """Move it away. A folder takes its place, so that nobody begins an empty one."""
        self._database.rename(self._aside)
        while True:
            try:
                self._database.mkdir()
            except FileExistsError:
                # A replica that starts at this very moment has made a file of its own.
                self._database.unlink()
            else:
                return

    def lift(self) -> None:
        """Put it back."""
        if not self._aside.exists():
            return
        with suppress(FileNotFoundError, NotADirectoryError):
            self._database.rmdir()
        self._aside.rename(self._database)


class Full:
    """No byte is left on the disk that the database is on."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._filler = database.resolve().with_name("filler")

    def inject(self) -> None:
        """Fill the disk; returns when it is full."""
        with _connect(self._database) as holder:
            # Space that the log of the database has already, it could go on writing to.
            holder.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        holder.close()
        with self._filler.open("wb", buffering=0) as file:
            for block in (_MEGABYTE, _BLOCK):
                _fill(file.fileno(), bytes(block))

    def lift(self) -> None:
        """Free it again."""
        self._filler.unlink(missing_ok=True)


@contextmanager
def small_disk(home: Path, service: str, megabytes: int = 128) -> Iterator[Path]:
    """A disk of its own for the database of *service*, for a platform that does not run yet.

    Large enough for all that a whole run writes: it is full only when it is to be.

    A tmpfs, gone at the end with all that is on it: end the platform first. NotInjectable when this
    process may not mount.
    """
    disk = home / "disks" / service
    disk.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = f"size={megabytes}m,mode=0700"
    _mount("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk))
    try:
        link = _database(home, service)
        link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        link.symlink_to(disk / link.name)
        yield disk
    finally:
        _mount("umount", "--lazy", str(disk))


def locked(spec: FaultSpec, platform: Platform, _: Random) -> Locked:
    """The database of the service that is the target, locked."""
    return Locked(_present(platform, spec.target))


def gone(spec: FaultSpec, platform: Platform, _: Random) -> Gone:
    """The database of the service that is the target, gone."""
    return Gone(_present(platform, spec.target))


def full(spec: FaultSpec, platform: Platform, _: Random) -> Full:
    """The disk of the service that is the target, full; NotInjectable when it is not a small one."""
    database = _present(platform, spec.target)
    found = os.statvfs(database.resolve().parent)
    is_small = found.f_blocks * found.f_frsize <= _LARGEST
    if not is_small or database.resolve().stat().st_dev == platform.home.path.stat().st_dev:
        raise NotInjectable(
            f"the database of {spec.target} is not on a small disk of its own: see small_disk"
        )
    return Full(database)


def _present(platform: Platform, service: str) -> Path:
    if "PLEXUS_DATABASE_URL" in os.environ:
        raise NotInjectable(
            "PLEXUS_DATABASE_URL is set: only the platform's own SQLite files break"
        )
    database = _database(platform.home.path, service)
    if not database.is_file():
        raise NotInjectable(f"{service} has no database in {database.parent}")
    return database


def _database(home: Path, service: str) -> Path:
    return home / "data" / f"{service}.db"


def _connect(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{database.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=_PATIENCE,
        isolation_level=None,
        # Whoever lifts the fault may be another thread than who injected it.
        check_same_thread=False,
    )


def _fill(descriptor: int, block: bytes) -> None:
    while True:
        try:
            if os.write(descriptor, block) < len(block):
                return
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            return


def _mount(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise NotInjectable(f"there is no {command[0]} here") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines()
        raise NotInjectable(f"this process may not {command[0]}: {said[-1:]}") from None


MAKERS: Mapping[Kind, Callable[[FaultSpec, Platform, Random], Locked | Gone | Full]] = {
    Kind.DATABASE_LOCKED: locked,
    Kind.DATABASE_GONE: gone,
    Kind.DISK_FULL: full,
}
