"""The audit journal of one replica: append-only, chained, signed now and then.

An entry is in memory that outlives the process (`tail`) when `append` returns, so it survives the end of
the process however that comes, and no call waits for a disk. A thread brings it to the disk
(`meaning.AUDIT_SYNC`) and signs what there is (`meaning.AUDIT_CHECKPOINT`); with *always* `append`
itself waits for the disk, once for all who wait. Where files are not kept in memory, or there is no
room for one, `append` hands each entry to the operating system for the disk.

When the disk cannot be written nobody may be answered: `append` raises JournalUnavailable, and so does
`ready`, until a write succeeds again. What was acknowledged stays in the tail until then.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import structlog

from mesh import clock, meaning
from mesh.audit import entry, files, joining, lock, tail
from mesh.audit.chain import Chain, Head
from mesh.audit.counts import Counts
from mesh.audit.entry import stamp
from mesh.audit.failures import JournalUnavailable
from mesh.audit.recent import Recent
from mesh.audit.seal import Signer
from mesh.audit.segment import Segment, sync_folder
from mesh.audit.tail import Tail
from mesh.identity.files import make_private_folder
from mesh.persistence.identifiers import new_id

_log = structlog.get_logger()

FORMAT: Final = 1
_WITHHELD_MOST: Final = 256
_LOCK_PATIENCE: Final = 10.0

_T = TypeVar("_T")


class _Full(Exception):
    """The tail has no room for an entry: what is in it goes to the disk first."""


class Journal:
    """Goes on with the newest journal in *folder*, or begins one. `open` first, `close` last.

    `_syncing` is held by whoever writes to the disk, `_lock` by whoever adds an entry; who needs both
    takes them in this order.
    """

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
        self._always = always
        self._patience = patience
        self._now = now
        self._chain = Chain(signer, now)
        self._lock = threading.Lock()
        self._syncing = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="audit", daemon=True)
        self._locked = -1
        self._segment: Segment | None = None
        self._tail: Tail | None = None
        self._id = ""
        self._path = folder
        self._day = ""
        self._synced = 0
        self._failed = False
        self._withheld: list[bytes] = []
        self._durable: Head | None = None
        self.counts = Counts()
        self.recent = Recent(meaning.AUDIT_REMEMBERED)

    def open(self) -> None:
        """Begin to write; JournalTaken, JournalUnavailable."""
        make_private_folder(self._folder)
        self._locked = lock.take(self._folder, self._patience)
        with self._syncing:
            self._attach()
            self._bring()
            tail.remove(self._folder)
            self._tail = Tail.create(self._folder)
        self.recent.begin(self._chain.sequence)
        self._thread.start()

    def append(self, fields: Mapping[str, Any]) -> int:
        """Write an entry of kind ACCESS, and return its sequence; JournalUnavailable."""
        own = entry.call(entry.ACCESS, fields)
        try:
            try:
                with self._lock:
                    sequence = self._record(own, fields)
            except _Full:
                with self._syncing:
                    sequence = self._surely(lambda: self._record(own, fields))
        except JournalUnavailable:
            self._withhold(own)
            raise
        if self._always:
            self._sync(sequence)
        elif not self._wake.is_set():
            self._wake.set()
        return sequence

    def ready(self) -> None:
        """Raise JournalUnavailable when an entry could not be written, and still cannot."""
        if self._failed:
            raise JournalUnavailable("the journal cannot be written")

    @property
    def head(self) -> Head | None:
        """The end that is on the disk; None before there is one."""
        return self._durable

    @property
    def unsynced(self) -> int:
        """How many entries are not on the disk yet."""
        return self._chain.sequence - self._synced

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
        self._chain.note_anchors(version)

    def settle(self) -> None:
        """Sign what is not signed, and bring everything to the disk; JournalUnavailable."""
        with self._syncing:
            if self._failed:
                self._recover()
            if self._chain.unsigned:
                self._surely(lambda: self._sign(entry.CHECKPOINT))
            if self._synced < self._chain.sequence:
                self._bring()
            self._rotate_if_due()
            self._renew_if_lost()

    def close(self) -> None:
        """Say that nothing follows, and let go of the journal."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._syncing:
            with suppress(JournalUnavailable):
                if self._failed:
                    self._recover()
                self._surely(self._end)
                self._bring(closed=True)
            with self._lock:
                self._failed = True
                self._let_go()

    def _keep(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            self._closing.wait(meaning.AUDIT_SYNC)
            self._wake.clear()
            try:
                if self._failed or self._chain.is_signing_due:
                    self.settle()
                else:
                    self._sync(self._chain.sequence)
            except JournalUnavailable:
                self._closing.wait(meaning.AUDIT_RETRY - meaning.AUDIT_SYNC)
            if self._chain.unsigned or self._failed:
                self._wake.set()

    def _record(self, own: bytes, fields: Mapping[str, Any]) -> int:
        self.ready()
        sequence = self._chain.add(own, self._write)
        self.recent.add(sequence, fields)
        self.counts.entries += 1
        return sequence

    def _sign(self, kind: str, more: Mapping[str, Any] | None = None) -> None:
        self._chain.sign(kind, self._write, more)
        self.counts.checkpoints += 1

    def _end(self) -> None:
        self._sign(entry.CLOSED)
        # Nothing may follow, whoever calls still.
        self._failed = True

    def _write(self, line: bytes) -> None:
        if self._tail is not None:
            if not self._tail.put(line):
                raise _Full
            return
        try:
            self._used.write(line)
        except OSError as error:
            self._fail(error)

    def _surely(self, write: Callable[[], _T]) -> _T:
        """Do *write*, at last on the disk itself, when the tail has no room for it. `_syncing` is held."""
        with self._lock:
            try:
                return write()
            except _Full:
                self._drain()
            with self._past_the_tail():
                return write()

    @contextmanager
    def _past_the_tail(self) -> Iterator[None]:
        """Write to the disk itself. The tail is empty, and both locks are held."""
        kept, self._tail = self._tail, None
        try:
            yield
        finally:
            self._tail = kept

    def _drain(self) -> None:
        """Bring everything to the disk, while nobody adds to it; JournalUnavailable."""
        try:
            while self._tail is not None and (lines := self._tail.turn()):
                self._used.add(lines)
                self._tail.clear()
        except OSError as error:
            self._fail(error)

    def _sync(self, sequence: int) -> None:
        """Bring everything up to *sequence* to the disk. Who waits for another's sync has its own."""
        with self._syncing:
            if self._synced < sequence:
                self.ready()
                self._bring()

    def _bring(self, closed: bool = False) -> None:
        """Bring everything there is now to the disk, while others add more; JournalUnavailable.

        `_syncing` is held. Nothing that `append` needs waits for the disk.
        """
        kept = self._tail
        with self._lock:
            lines = kept.turn() if kept else b""
            reached, digest = self._chain.sequence, self._chain.hash
        try:
            self._used.add(lines)
        except OSError as error:
            self._fail(error)
        if kept is not None:
            kept.clear()
        self._synced = reached
        self._durable = Head(self._id, reached, digest, closed)

    def _fail(self, error: OSError) -> NoReturn:
        self._failed = True
        self.counts.failures += 1
        self._wake.set()
        _log.error("audit_journal_unwritable", cause=error.strerror, journal=self._id)
        raise JournalUnavailable(error.strerror or "the journal cannot be written") from None

    def _withhold(self, own: bytes) -> None:
        with self._lock:
            self.counts.withheld += 1
            if len(self._withheld) < _WITHHELD_MOST:
                stated, told = entry.ACCESS.encode(), entry.WITHHELD.encode()
                self._withheld.append(own.replace(stated, told, 1))

    def _recover(self) -> None:
        """Write again; JournalUnavailable. First what was acknowledged, then what was not."""
        try:
            with self._lock:
                self._used.reopen()
        except OSError as error:
            self._fail(error)
        self._drain()
        with self._lock, self._past_the_tail():
            self._sign(entry.RESUMED, {"pid": os.getpid()})
            while self._withheld:
                self._chain.add(self._withheld[0], self._write)
                del self._withheld[0]
            self.recent.begin(self._chain.sequence)
            self._failed = False

    @property
    def _used(self) -> Segment:
        if self._segment is None:
            raise JournalUnavailable("the journal is not open")
        return self._segment

    def _attach(self) -> None:
        """Go on at the end of what is on the disk, or begin anew where it cannot be gone on with."""
        try:
            joined = joining.recollect(self._folder)
            stray = {"stray": joined.told()} if joined.stray else {}
            known = files.journals(self._folder)
            if not known or not self._resume(known[-1], stray):
                self._begin(
                    1 + max((files.number_of(each.name) for each in known), default=0), stray
                )
        except OSError as error:
            self._failed = True
            raise JournalUnavailable(error.strerror or "the journal cannot be opened") from None

    def _begin(self, number: int, more: Mapping[str, Any]) -> None:
        self._id = new_id("jnl")
        self._path = self._folder / files.folder_name(number, self._id)
        self._chain.go_on(0, entry.FIRST)
        self._path.mkdir(mode=0o700)
        sync_folder(self._folder)
        self._create()
        stated = {"service": self._service, "replica": self._replica, "journal": self._id}
        self._sign(entry.OPENED, {"format": FORMAT, **stated, **more})

    def _resume(self, journal: Path, more: Mapping[str, Any]) -> bool:
        """Whether the journal can be gone on with, which it then is."""
        end = None
        with suppress(files.Damaged):
            end = files.end(journal)
        if end is None or end.last is None:
            _log.error("audit_journal_damaged", journal=journal.name)
            return False
        last, torn = end.last, end.torn
        self._id, self._path = files.id_of(journal.name), journal
        self._chain.go_on(last.sequence, last.hash)
        self._segment = Segment.open(files.segments(journal)[-1])
        self._day = str(last.fields.get("time", ""))[:10]
        stated: dict[str, Any] = {"pid": os.getpid(), **more}
        if torn:
            if not torn.endswith(b"\n"):
                self._segment.write(b"\n")
                torn += b"\n"
            stated["torn"] = {"bytes": len(torn), "sha256": hashlib.sha256(torn).hexdigest()}
            _log.warning("audit_journal_torn", journal=self._id, bytes=len(torn))
        self._sign(entry.RESUMED, stated)
        return True

    def _rotate_if_due(self) -> None:
        day = stamp(self._now())[:10]
        if self._used.size < meaning.AUDIT_FILE_BYTES and day <= self._day:
            return
        # Once in fifty thousand calls, and once a day, they wait.
        with self._lock:
            self._drain()
            try:
                full = self._used
                full.sync()
                self._create()
                full.close()
            except OSError as error:
                self._fail(error)
            # Every file can be checked by itself: it begins with a signature and its certificate.
            with self._past_the_tail():
                self._sign(entry.CHECKPOINT)
        self._bring()

    def _create(self) -> None:
        self._segment = Segment.create(self._path / files.file_name(self._chain.sequence + 1))
        self._day = stamp(self._now())[:10]
        self._chain.begin_file()

    def _renew_if_lost(self) -> None:
        """Somebody who ends a session may remove its files from memory: there is another then."""
        if self._tail is not None and self._tail.is_lost:
            _log.warning("audit_tail_lost", journal=self._id)
            with self._lock:
                self._drain()
                self._tail.close()
                self._tail = Tail.create(self._folder)

    def _let_go(self) -> None:
        if self._tail is not None:
            self._tail.close()
        if self._segment is not None:
            self._segment.close()
        if self._locked >= 0:
            os.close(self._locked)
        self._tail, self._segment, self._locked = None, None, -1
