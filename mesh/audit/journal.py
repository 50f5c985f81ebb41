"""The audit journal of one replica: append-only, chained, signed now and then.

An entry is in the operating system's hands when `append` returns: it survives the end of the process
however that comes. A thread brings it to the disk (`meaning.AUDIT_SYNC`) and signs what there is
(`meaning.AUDIT_CHECKPOINT`); with *always* `append` itself waits for the disk, once for all who wait.

When an entry cannot be written nobody may be answered: `append` raises JournalUnavailable, and so does
`ready`, at once, until a write succeeds again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog

from mesh import clock, meaning
from mesh.audit import entry, files
from mesh.audit.entry import stamp
from mesh.audit.failures import JournalTaken, JournalUnavailable
from mesh.audit.seal import Signer
from mesh.identity.files import make_private_folder
from mesh.persistence.identifiers import new_id

_log = structlog.get_logger()

FORMAT: Final = 1
_MODE: Final = 0o600
_WITHHELD_MOST: Final = 256
_LOCK_PATIENCE: Final = 10.0


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a journal, as far as it is on the disk."""

    journal_id: str
    sequence: int
    hash: str
    closed: bool = False


@dataclass(slots=True)
class Counts:
    """What a journal has done since the process began, to be read without a lock."""

    entries: int = 0
    checkpoints: int = 0
    failures: int = 0
    withheld: int = 0


class Journal:
    """Goes on with the newest journal in *folder*, or begins one. `open` first, `close` last."""

    def __init__(
        self,
        folder: Path,
        service: str,
        replica: str,
        signer: Signer,
        *,
        always: bool = False,
        patience: float = _LOCK_PATIENCE,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._folder = folder
        self._service = service
        self._replica = replica
        self._signer = signer
        self._always = always
        self._patience = patience
        self._now = now
        self._lock = threading.Lock()
        self._syncing = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="audit", daemon=True)
        self._locked = self._file = -1
        self._id = ""
        self._path = folder
        self._sequence = 0
        self._hash = entry.FIRST
        self._size = 0
        self._day = ""
        self._known_keys: set[str] = set()
        self._unsigned = 0
        self._signed_at = 0.0
        self._synced = 0
        self._failed = False
        self._retry_at = 0.0
        self._withheld: list[bytes] = []
        self._anchors = 0
        self._durable: Head | None = None
        self.counts = Counts()

    def open(self) -> None:
        """Begin to write; JournalTaken, JournalUnavailable."""
        make_private_folder(self._folder)
        self._locked = _lock(self._folder / files.LOCK, self._patience)
        with self._lock:
            self._attach()
        self.settle()
        self._thread.start()

    def append(self, fields: Mapping[str, Any]) -> int:
        """Write an entry of kind ACCESS, and return its sequence; JournalUnavailable."""
        own = entry.body({"kind": entry.ACCESS, **fields})
        with self._lock:
            try:
                if self._failed:
                    self._recover()
                sequence = self._add(own)
            except JournalUnavailable:
                self._withhold(own)
                raise
            self.counts.entries += 1
        if self._always:
            self._sync(sequence)
        elif not self._wake.is_set():
            self._wake.set()
        return sequence

    def ready(self) -> None:
        """Raise JournalUnavailable when an entry could not be written, and still cannot."""
        if self._failed:
            with self._lock:
                if self._failed:
                    self._recover()

    @property
    def head(self) -> Head | None:
        """The end that is on the disk; None before there is one."""
        return self._durable

    @property
    def unsynced(self) -> int:
        """How many entries are not on the disk yet."""
        return self._sequence - self._synced

    @property
    def is_failing(self) -> bool:
        """Whether entries cannot be written now."""
        return self._failed

    @property
    def path(self) -> Path:
        """The folder of the journal in use."""
        return self._path

    def note_anchors(self, version: int) -> None:
        """The control plane's anchors were at this version: the next signature vouches for that."""
        self._anchors = max(self._anchors, version)

    def settle(self) -> None:
        """Sign what is not signed, and bring everything to the disk; JournalUnavailable."""
        with self._lock:
            if self._failed:
                self._recover()
            if self._unsigned:
                self._sign(entry.CHECKPOINT)
            self._rotate_if_due()
        self._sync(self._sequence)

    def close(self) -> None:
        """Say that nothing follows, and let go of the journal."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        with suppress(JournalUnavailable):
            with self._lock:
                if self._failed:
                    self._recover()
                self._sign(entry.CLOSED)
            self._sync(self._sequence, closed=True)
        with self._lock:
            self._failed, self._retry_at = True, float("inf")
            for descriptor in (self._file, self._locked):
                if descriptor >= 0:
                    os.close(descriptor)
            self._file = self._locked = -1

    def _keep(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            self._closing.wait(meaning.AUDIT_SYNC)
            self._wake.clear()
            try:
                if self._is_signing_due():
                    self.settle()
                else:
                    self._sync(self._sequence)
            except JournalUnavailable:
                self._closing.wait(meaning.AUDIT_RETRY)
            if self._unsigned or self._failed:
                self._wake.set()

    def _is_signing_due(self) -> bool:
        waited = time.monotonic() - self._signed_at
        return self._failed or (
            self._unsigned >= meaning.AUDIT_CHECKPOINT_ENTRIES
            or (self._unsigned > 0 and waited >= meaning.AUDIT_CHECKPOINT)
        )

    def _add(self, own: bytes, sign: Callable[[bytes], bytes] | None = None) -> int:
        content = entry.placed(own, self._sequence + 1, self._hash)
        if sign is not None:
            content = entry.signed(content, sign(content))
        line, digest = entry.sealed(content)
        self._write(line)
        self._sequence += 1
        self._hash = digest
        self._unsigned += 1
        return self._sequence

    def _sign(self, kind: str, more: Mapping[str, Any] | None = None, before: bytes = b"") -> None:
        """Write a signed entry; *before* is a line end that a write left unfinished lacks."""
        key = self._signer.take()
        fields: dict[str, Any] = {"kind": kind, "time": stamp(self._now()), **(more or {})}
        if self._anchors:
            fields["anchors"] = self._anchors
        fields["key"] = key.name
        if key.name not in self._known_keys:
            fields["certificate"] = key.certificate
        if before:
            self._write(before)
        self._add(entry.body(fields), key.sign)
        self._known_keys.add(key.name)
        self._unsigned = 0
        self._signed_at = time.monotonic()
        self.counts.checkpoints += 1

    def _write(self, data: bytes) -> None:
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(self._file, left) :]
        except OSError as error:
            self._fail(error)
        self._size += len(data)

    def _fail(self, error: OSError) -> None:
        self._failed = True
        self._retry_at = time.monotonic() + meaning.AUDIT_RETRY
        self.counts.failures += 1
        # What was not acknowledged to anybody need not stay half.
        with suppress(OSError):
            os.ftruncate(self._file, self._size)
        _log.error("audit_journal_unwritable", cause=error.strerror, journal=self._id)
        raise JournalUnavailable(error.strerror or "the journal cannot be written") from None

    def _withhold(self, own: bytes) -> None:
        self.counts.withheld += 1
        if len(self._withheld) < _WITHHELD_MOST:
            stated, told = entry.ACCESS.encode(), entry.WITHHELD.encode()
            self._withheld.append(own.replace(stated, told, 1))

    def _recover(self) -> None:
        if time.monotonic() < self._retry_at:
            raise JournalUnavailable("the journal could not be written a moment ago")
        self._retry_at = time.monotonic() + meaning.AUDIT_RETRY
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._attach()
        self._failed = False
        while self._withheld:
            self._add(self._withheld[0])
            del self._withheld[0]
        self._wake.set()

    def _attach(self) -> None:
        """Go on at the end of what is on the disk, or begin anew where it cannot be gone on with."""
        try:
            known = files.journals(self._folder)
            if not known or not self._resume(known[-1]):
                self._begin(1 + max((files.number_of(each.name) for each in known), default=0))
        except OSError as error:
            self._failed = True
            raise JournalUnavailable(error.strerror or "the journal cannot be opened") from None

    def _begin(self, number: int) -> None:
        self._id = new_id("jnl")
        self._path = self._folder / files.folder_name(number, self._id)
        self._sequence, self._hash = 0, entry.FIRST
        self._path.mkdir(mode=0o700)
        _sync_folder(self._folder)
        self._create()
        stated = {"service": self._service, "replica": self._replica, "journal": self._id}
        self._sign(entry.OPENED, {"format": FORMAT, **stated})

    def _resume(self, journal: Path) -> bool:
        """Whether the journal can be gone on with, which it then is."""
        found = files.segments(journal)
        try:
            end = files.tail(found[-1]) if found else files.Tail(None, b"")
            last = end.last or (files.tail(found[-2]).last if len(found) > 1 else None)
        except files.Damaged:
            last = None
        if last is None:
            _log.error("audit_journal_damaged", journal=journal.name)
            return False
        self._id, self._path = files.id_of(journal.name), journal
        self._sequence, self._hash = last.sequence, last.hash
        self._file = os.open(found[-1], os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._size = os.fstat(self._file).st_size
        self._day = str(last.fields.get("time", ""))[:10]
        self._known_keys = set()
        more: dict[str, Any] = {"pid": os.getpid()}
        lacks_end = bool(end.torn) and not end.torn.endswith(b"\n")
        if end.torn:
            torn = end.torn + (b"\n" if lacks_end else b"")
            more["torn"] = {"bytes": len(torn), "sha256": hashlib.sha256(torn).hexdigest()}
            _log.warning("audit_journal_torn", journal=self._id, bytes=len(torn))
        self._failed = False
        self._sign(entry.RESUMED, more, before=b"\n" if lacks_end else b"")
        return True

    def _rotate_if_due(self) -> None:
        day = stamp(self._now())[:10]
        if self._size < meaning.AUDIT_FILE_BYTES and day <= self._day:
            return
        try:
            os.fdatasync(self._file)
            os.close(self._file)
            self._file = -1
            self._create()
        except OSError as error:
            self._fail(error)
        # Every file can be checked by itself: it begins with a signature and its certificate.
        self._sign(entry.CHECKPOINT)

    def _create(self) -> None:
        path = self._path / files.file_name(self._sequence + 1)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file = os.open(path, flags, _MODE)
        _sync_folder(self._path)
        self._size = 0
        self._day = stamp(self._now())[:10]
        self._known_keys = set()

    def _sync(self, sequence: int, closed: bool = False) -> None:
        """Bring everything up to *sequence* to the disk. Who waits for another's sync has its own."""
        with self._syncing:
            if self._synced >= sequence and not closed and self._durable is not None:
                return
            with self._lock:
                if self._failed:
                    raise JournalUnavailable("the journal could not be written")
                reached, digest, descriptor = self._sequence, self._hash, os.dup(self._file)
            try:
                os.fdatasync(descriptor)
            except OSError as error:
                with self._lock:
                    self._fail(error)
            finally:
                os.close(descriptor)
            self._synced = reached
            self._durable = Head(self._id, reached, digest, closed)


def _lock(path: Path, patience: float) -> int:
    """Hold the journals of the replica for this process; JournalTaken.

    A process that was told to stop may still be finishing.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise JournalTaken(
                    f"another process writes the journals in {path.parent}"
                ) from None
            time.sleep(0.02)
        else:
            return descriptor


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
