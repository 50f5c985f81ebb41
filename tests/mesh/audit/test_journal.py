"""What a journal promises while it is written: what is acknowledged is there, what is not is refused."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mesh import meaning
from mesh.audit import entry, files, segment, tail
from mesh.audit.failures import JournalTaken, JournalUnavailable
from mesh.audit.journal import Journal
from mesh.audit.seal import Signer
from mesh.audit.segment import Segment
from mesh.audit.verdict import Kind
from mesh.identity.serving import Certified
from tests.mesh.audit.books import Books, access

ROOT = Path(__file__).parents[3]
MANY = 4000
"""Patients of one record: a line of 60 kB, which takes a while to write."""


def entries(journal: Path) -> list[entry.Entry]:
    text = b"".join(path.read_bytes() for path in files.segments(journal))
    return [entry.read(line) for line in text.splitlines()]


def until(look: object, what: str = "") -> None:
    deadline = time.monotonic() + 10
    while not look():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def test_records_of_many_threads_make_one_chain(books: Books) -> None:
    with books.opened() as journal:
        with ThreadPoolExecutor(8) as callers:
            given = list(callers.map(lambda n: journal.append(access(n)), range(800)))
    assert len(set(given)) == 800
    (verdict,) = books.verify().verdicts
    assert (verdict.finding, verdict.accesses) == (None, 800)
    assert [each.sequence for each in entries(journal.path)] == list(range(1, verdict.entries + 1))


def test_what_is_written_is_signed_and_on_the_disk_soon_after(books: Books) -> None:
    with books.opened() as journal:
        sequence = journal.append(access())
        until(lambda: journal.head is not None and journal.head.sequence > sequence)
        assert entries(journal.path)[-1].kind == entry.CHECKPOINT
        assert journal.unsynced == 0


def test_an_idle_journal_writes_nothing(books: Books) -> None:
    with books.opened() as journal:
        journal.append(access())
        journal.settle()
        before = journal.counts.checkpoints
        journal.settle()
        journal.settle()
        assert journal.counts.checkpoints == before


def test_with_always_a_record_is_on_the_disk_when_it_is_acknowledged(books: Books) -> None:
    with books.opened(always=True) as journal, ThreadPoolExecutor(8) as callers:

        def write(number: int) -> bool:
            sequence = journal.append(access(number))
            return journal.head is not None and journal.head.sequence >= sequence

        assert all(callers.map(write, range(100)))


def test_a_journal_goes_on_in_the_next_file_and_over_restarts(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meaning, "AUDIT_FILE_BYTES", 2000)
    for _ in range(3):
        with books.opened() as journal:
            for number in range(10):
                journal.append(access(number))
                journal.settle()
    (verdict,) = books.verify().verdicts
    assert (verdict.finding, verdict.accesses, verdict.notes) == (None, 30, [])
    assert verdict.files > 10


@pytest.mark.parametrize(("holder", "step"), [(Segment, "create"), (segment, "sync_folder")])
def test_a_file_that_cannot_be_begun_costs_neither_a_record_nor_a_descriptor_of_others(
    books: Books, monkeypatch: pytest.MonkeyPatch, holder: object, step: str
) -> None:
    strangers = []

    def fail(*_: object) -> None:
        # Whoever opens something now is given the lowest number that nobody has.
        strangers.append(os.open(os.devnull, os.O_RDONLY))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with books.opened() as journal:
        journal.append(access(1))
        journal.settle()
        with monkeypatch.context() as full:
            full.setattr(meaning, "AUDIT_FILE_BYTES", 1)
            full.setattr(holder, step, fail)
            with pytest.raises(JournalUnavailable):
                journal.settle()
        journal.settle()
        journal.append(access(2))
        assert len(files.segments(journal.path)) == 1
    for each in strangers:
        os.close(each)
    (verdict,) = books.verify().verdicts
    assert (verdict.finding, verdict.accesses) == (None, 2)


def test_a_day_ends_a_file(books: Books) -> None:
    today = [datetime(2026, 5, 1, 23, 59, tzinfo=UTC)]
    with books.opened(now=lambda: today[0]) as journal:
        journal.append(access())
        today[0] += timedelta(minutes=2)
        journal.append(access())
        journal.settle()
        journal.append(access())
        journal.settle()
        assert len(files.segments(journal.path)) == 2
    assert books.verify().broken == []


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(books: Books) -> None:
    """Killed at any moment, and again: each time the journal goes on where it was."""
    for patients, after in ((MANY, 30), (1, 400), (MANY, 37)):
        acknowledged = _write_until_killed(books, patients, after)
        (left,) = books.verify().verdicts
        assert left.finding is None
        assert left.entries >= acknowledged
    with books.opened() as journal_now:
        journal_now.append(access())
    (verdict,) = books.verify().verdicts
    assert (verdict.finding, verdict.in_memory) == (None, 0)
    assert verdict.entries > acknowledged


def _write_until_killed(books: Books, patients: int, after: int) -> int:
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.mesh.audit.writer", str(books.home), str(patients)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'clients/python'}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    with writer, writer.stdout:
        for _ in range(after):
            last = writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        for line in writer.stdout:
            last = line if line.endswith("\n") else last
    return int(last)


def unfinished(books: Books, left: bytes) -> Path:
    """A journal whose process died while it wrote."""
    with books.opened() as journal:
        journal.append(access())
    last = files.segments(journal.path)[-1]
    with last.open("ab") as file:
        file.write(left)
    return last


@pytest.mark.parametrize("left", [b'{"kind":"access","cal', b"\0\0\0\0", b'{"kind":"acc\n'])
def test_a_write_that_was_left_unfinished_is_kept_and_explained(books: Books, left: bytes) -> None:
    last = unfinished(books, left)
    with books.opened() as journal:
        journal.append(access())
    (verdict,) = books.verify().verdicts
    assert verdict.finding is None
    assert len(verdict.notes) == 1
    # Append-only: not even what nobody can read is removed.
    assert left in last.read_bytes()


def test_an_end_that_no_crash_makes_begins_another_journal_and_is_found(books: Books) -> None:
    with books.opened() as journal:
        journal.append(access())
    damaged = files.segments(journal.path)[-1]
    text = damaged.read_bytes()
    lines = text.splitlines(keepends=True)
    damaged.write_bytes(b"".join(lines[:-2]) + lines[-2].replace(b"edge", b"none") + b"{}\n")
    with books.opened() as other:
        other.append(access())
    assert other.path != journal.path
    assert [finding.kind for finding in books.verify().broken] == [Kind.EDITED]


@contextmanager
def full_disk(beyond: Path) -> Iterator[None]:
    """No file of this process can become longer than *beyond* is, and a little."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (beyond.stat().st_size + 100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def long(journal: Journal) -> Path:
    """Longer than any other file that this process writes meanwhile."""
    for _ in range(20):
        journal.append(access(patients=[f"pat_{number:08}" for number in range(MANY)]))
    journal.settle()
    return files.segments(journal.path)[-1]


@pytest.mark.parametrize("in_memory", [True, False])
def test_what_cannot_be_written_is_refused_then_and_written_when_it_can_be(
    books: Books, monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    if not in_memory:
        monkeypatch.setattr(tail, "MEMORY", books.home)
    with books.opened() as journal:
        last = long(journal)
        size = last.stat().st_size
        acknowledged = journal.counts.entries
        with full_disk(last):
            # In memory there is room for what is written before the disk is asked.
            while not journal.is_failing:
                with suppress(JournalUnavailable):
                    journal.append(access(1))
                    acknowledged += 1
            refused = journal.counts.withheld
            with pytest.raises(JournalUnavailable):
                journal.append(access(2))
            with pytest.raises(JournalUnavailable):
                journal.ready()
            assert journal.is_failing
            # Half of a record is not left behind.
            assert last.stat().st_size == size
            assert [verdict.finding for verdict in books.verify().verdicts] == [None]
        until(lambda: not journal.is_failing, "the journal to recover")
        journal.append(access(3))
    (verdict,) = books.verify().verdicts
    assert (verdict.finding, verdict.notes) == (None, [])
    kinds = [each.kind for each in entries(journal.path)]
    assert kinds.count(entry.ACCESS) == acknowledged + 1
    assert kinds.count(entry.WITHHELD) == refused + 1
    assert kinds.index(entry.RESUMED) < kinds.index(entry.WITHHELD)
    assert journal.counts.failures >= 1


def test_only_one_process_writes_the_journals_of_a_replica(books: Books) -> None:
    with books.opened(), pytest.raises(JournalTaken):
        books.journal(patience=0.05).open()


def test_a_journal_that_is_being_written_is_verified_as_it_is(books: Books) -> None:
    stop = threading.Event()
    with books.opened() as journal:
        journal.append(access())
        journal.settle()
        books.tell(journal, "records-1")

        def write() -> None:
            while not stop.is_set():
                journal.append(access())

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(5):
                assert books.verify().broken == []
        finally:
            stop.set()
            writer.join()


def test_a_certificate_that_is_renewed_at_any_moment_breaks_no_signature(books: Books) -> None:
    held = [books.certified("records"), books.certified("records")]

    def current() -> Certified:
        held.reverse()
        return held[0]

    with books.opened(signer=Signer(current)) as journal:
        for number in range(10):
            journal.append(access(number))
            journal.settle()
    (verdict,) = books.verify().verdicts
    assert (verdict.finding, verdict.accesses) == (None, 10)
