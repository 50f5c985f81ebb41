"""The task `accesses`: tells the accesses in a replica's journals to the service that lists them.

How far a journal is known is that service's to say, so nothing is remembered here; it takes in what goes
on there, and nothing twice. What cannot be told now is told later, from the journal. When a replica is
gone for good, another of its service tells what it left. Of its own journal a replica remembers the
newest records, and need not read them again.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from mesh import meaning
from mesh.audit import entry as entries
from mesh.audit import files
from mesh.audit.joining import settle
from mesh.audit.journal import Journal
from mesh.audit.reading import Reader
from mesh.audit.recent import Recent, Record
from mesh.persistence import Periodic
from plexus.client import inbound, traceparent, working
from plexus.contract import TELLING
from plexus.records.v1.records_service_pb2 import RecordAccessesRequest, RecordAccessesResponse

_log = structlog.get_logger()

Send = Callable[[RecordAccessesRequest], RecordAccessesResponse | None]
"""Tells, and returns how far the journal is known now; None when nobody answers."""

_PATIENTS: Final = 1000
"""As many as one JournalAccess takes."""
_PATIENTS_AT_ONCE: Final = 20_000
_moments: Final = entries.Moments()
_ACCESSES: Final = frozenset({entries.ACCESS, entries.WITHHELD})
# Turns between two looks for what replicas that are gone have left.
_LEFT_BEHIND: Final = 10


class Telling:
    """Tells of *journal*, of earlier ones of the replica, and of those that siblings left behind."""

    def __init__(self, journal: Journal, send: Send) -> None:
        self._journal = journal
        self._send = send
        self._books = {journal.path: _Book(journal.path, journal.recent)}
        self._turns = 0
        self._told_at = time.monotonic()
        self._turn = threading.Lock()
        self._task = Periodic(TELLING, meaning.AUDIT_TELL, self.work)

    @property
    def name(self) -> str:
        """Its name in the contract."""
        return self._task.name

    def start(self) -> None:
        """Begin, in the context (the work in progress) of whoever starts it."""
        self._context = contextvars.copy_context()
        self._task.start()

    def stop(self) -> None:
        """End, when everything there is was told, if somebody takes it in."""
        self._task.stop()
        try:
            self._context.run(self.work)
        except Exception as error:  # noqa: BLE001 - it is told when the replica, or a sibling, begins again
            _log.warning("accesses_not_told", error=type(error).__name__)

    def lag(self) -> float:
        """Seconds for which something has waited to be told; 0 when nothing does."""
        waited = time.monotonic() - self._told_at - 2 * meaning.AUDIT_TELL
        return max(0.0, waited)

    def work(self) -> None:
        """Tell what is new."""
        with self._turn, _aside():
            head = self._journal.head
            if head is None or not self._tell(self._journal.path, head.sequence):
                return
            self._told_at = time.monotonic()
            if self._turns % _LEFT_BEHIND == 0:
                for journal in self._left_behind():
                    self._tell(journal, None)
            self._turns += 1

    def _tell(self, journal: Path, until: int | None) -> bool:
        if journal not in self._books:
            self._books[journal] = _Book(journal)
        return self._books[journal].tell(self._send, until)

    def _left_behind(self) -> Iterator[Path]:
        own = self._journal.path
        for replica in files.replicas(own.parents[2]):
            if replica.parent == own.parents[1]:
                if replica == own.parent:
                    yield from (each for each in files.journals(replica) if each != own)
                elif _is_left(replica):
                    yield from files.journals(replica)


class _Book:
    """One journal, and how far it is known to be known."""

    def __init__(self, journal: Path, recent: Recent | None = None) -> None:
        self._id = files.id_of(journal.name)
        self._reader = Reader(journal)
        self._recent = recent
        # Told first: nothing. The answer says how far the journal is known from before.
        self._untold: RecordAccessesRequest | None = RecordAccessesRequest(journal_id=self._id)
        self._known = self._read = 0

    def tell(self, send: Send, until: int | None) -> bool:
        """Tell everything up to *until*, or to the end; whether somebody took it in."""
        self._untold = self._untold or self._next(until)
        while self._untold is not None:
            answer = send(self._untold)
            if answer is None:
                return False
            self._known = self._read = answer.sequence
            self._untold = self._next(until)
        return True

    def _next(self, until: int | None) -> RecordAccessesRequest | None:
        """What is to be told next; None when there is nothing. What is about nobody need not be told."""
        while batch := self._batch(until):
            self._read = batch[-1].sequence
            request = RecordAccessesRequest(
                journal_id=self._id,
                after_sequence=self._known,
                through_sequence=self._read,
            )
            for each in batch:
                _tell(each, request)
            if request.accesses:
                return request
        return None

    def _batch(self, until: int | None) -> Sequence[Record]:
        if self._recent is not None and until is not None:
            remembered = self._recent.take(
                self._read, until, meaning.AUDIT_TELL_ENTRIES, _PATIENTS_AT_ONCE
            )
            if remembered is not None:
                return remembered
        return self._reread(until)

    def _reread(self, until: int | None) -> Sequence[Record]:
        batch: list[Record] = []
        patients = 0
        for each in self._reader.after(self._read, until):
            batch.append(Record(each.sequence, each.fields))
            patients += len(each.fields.get("patients", ()))
            if len(batch) >= meaning.AUDIT_TELL_ENTRIES or patients >= _PATIENTS_AT_ONCE:
                break
        return batch


def _tell(record: Record, request: RecordAccessesRequest) -> None:
    """Add what the record says of patients to *request*."""
    sequence, fields = record
    # One that is remembered is a call's, and does not say so.
    if fields.get("kind", entries.ACCESS) not in _ACCESSES:
        return
    patients: list[str] = fields["patients"]
    for start in range(0, len(patients), _PATIENTS):
        told = request.accesses.add(
            sequence=sequence, patient_ids=patients[start : start + _PATIENTS]
        )
        access = told.access
        access.time.seconds, access.time.nanos = _moments.of(fields["time"])
        access.method = fields["method"]
        access.caller = fields["caller"]
        access.subject = fields["subject"]
        access.outcome = fields["outcome"]
        access.reason = fields["reason"]
        access.trace_id = fields["trace"]


def _is_left(replica: Path) -> bool:
    """Whether nobody writes the journals of a replica now. Then all there is of them is on the disk."""
    try:
        return settle(replica)
    except OSError as error:
        _log.warning("audit_tail_not_settled", replica=replica.name, cause=error.strerror)
        return False


@contextmanager
def _aside() -> Iterator[None]:
    """Work without a trace: what is told of calls would crowd out the calls."""
    work = inbound()
    if work is None:
        yield
        return
    header = f"{traceparent.new_head()}{traceparent.new_span_id():016x}-00"
    with working(replace(work, traceparent=header)):
        yield
