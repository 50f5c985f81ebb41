"""What is acknowledged and not on the disk yet outlives the process, and only what follows is believed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mesh import meaning
from mesh.audit import entry, files, joining, tail
from mesh.audit.journal import Journal
from mesh.audit.segment import Segment
from mesh.audit.verdict import Verdict
from tests.mesh.audit.books import Books, access
from tests.mesh.audit.writer import POINTS

ROOT = Path(__file__).parents[3]
REPLICA = "records/records-1"


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing comes to the disk by itself."""
    monkeypatch.setattr(meaning, "AUDIT_SYNC", 3600.0)


def on_disk(books: Books) -> list[entry.Entry]:
    (journal,) = files.journals(books.folder / REPLICA)
    text = b"".join(path.read_bytes() for path in files.segments(journal))
    return [entry.read(line) for line in text.splitlines()]


def verdict_of(books: Books) -> Verdict:
    (verdict,) = books.verify().verdicts
    return verdict


def killed(books: Books, point: str) -> int:
    """A process was killed there; what it had acknowledged last."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.mesh.audit.writer", str(books.home), "1", point],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'clients/python'}"},
        stdout=subprocess.PIPE,
        check=False,
    )
    whole, _, _ = done.stdout.rpartition(b"\n")
    return max(int(line) for line in whole.splitlines() if line.isdigit())


@pytest.mark.parametrize("point", sorted(POINTS))
def test_what_was_acknowledged_is_there_wherever_the_process_was_killed(
    books: Books, point: str
) -> None:
    acknowledged = killed(books, point)
    left = verdict_of(books)
    assert left.finding is None
    assert left.entries >= acknowledged
    with books.opened() as journal:
        journal.append(access())
    assert {each.sequence for each in on_disk(books)} >= set(range(1, acknowledged + 1))
    found = verdict_of(books)
    assert (found.finding, found.in_memory) == (None, 0)


@pytest.mark.parametrize("point", ["before it is written", "after the tail is cleared"])
def test_what_nobody_goes_on_with_is_brought_to_the_disk_by_others(
    books: Books, point: str
) -> None:
    acknowledged = killed(books, point)
    joining.settle_all(books.folder)
    assert not tail.path_of(books.folder / REPLICA).exists()
    assert on_disk(books)[-1].sequence >= acknowledged
    found = verdict_of(books)
    assert (found.finding, found.in_memory) == (None, 0)


@pytest.mark.usefixtures("slow")
def test_what_somebody_writes_is_left_alone_and_verified(books: Books) -> None:
    with books.opened() as journal:
        before = len(on_disk(books))
        for number in range(5):
            journal.append(access(number))
        joining.settle_all(books.folder)
        assert len(on_disk(books)) == before
        found = verdict_of(books)
        assert (found.finding, found.in_memory, found.accesses) == (None, 5, 5)


def lines(after: entry.Entry, count: int) -> list[bytes]:
    """Entries that go on behind one."""
    made = []
    sequence, prev = after.sequence, after.hash
    for number in range(count):
        sequence += 1
        own = entry.body({"kind": entry.ACCESS, **access(number)})
        line, prev = entry.sealed(entry.placed(own, sequence, prev))
        made.append(line)
    return made


def leave(replica: Path, *halves: bytes) -> None:
    """Put a tail there, as a process leaves it."""
    path = tail.path_of(replica)
    path.touch(mode=0o600)
    path.write_bytes(b"".join(half.ljust(100_000, b"\0") for half in halves))


Halves = Callable[[Sequence[bytes], Sequence[bytes]], tuple[bytes, bytes]]
"""A tail, made of the last lines on the disk and of the lines that follow."""


def changed(line: bytes) -> bytes:
    return line.replace(b'"edge"', b'"none"')


HALVES: dict[str, tuple[Halves, int, bool]] = {
    "empty": (lambda _, new: (b"", b""), 0, False),
    "on the disk already": (lambda old, _: (b"".join(old), b""), 0, False),
    "new": (lambda _, new: (b"".join(new), b""), 6, False),
    "half of it on the disk": (lambda old, new: (b"".join([*old, *new]), b""), 6, False),
    "in two halves": (lambda old, new: (b"".join(old), b"".join(new)), 6, False),
    "the older half last": (lambda _, new: (b"".join(new[4:]), b"".join(new[:4])), 6, False),
    "torn": (lambda _, new: (b"".join(new)[:-5], b""), 5, False),
    "torn at its beginning": (lambda _, new: (b"".join(new[:4]), new[4][:1]), 4, False),
    "let go of halfway": (lambda old, new: (b"\0" + b"".join(old)[1:], b"".join(new)), 6, False),
    "tampered with": (
        lambda _, new: (b"".join([*new[:3], changed(new[3]), *new[4:]]), b""),
        3,
        True,
    ),
    "tampered with at its end": (
        lambda _, new: (b"".join([*new[:5], changed(new[5])]), b""),
        5,
        True,
    ),
    "with one missing": (lambda _, new: (b"".join([*new[:2], *new[3:]]), b""), 2, True),
    "with its first missing": (lambda _, new: (b"".join(new[1:]), b""), 0, True),
    "older than the disk": (lambda old, _: (b"".join(old[:-1]), b""), 0, True),
    "another than what is on the disk": (
        lambda old, new: (b"".join([*old[:-1], changed(old[-1]), *new]), b""),
        0,
        True,
    ),
    "of no journal": (lambda _, new: (b"nothing\n", b""), 0, True),
}


@pytest.mark.parametrize("name", HALVES)
def test_of_a_tail_that_was_left_exactly_what_follows_is_believed(books: Books, name: str) -> None:
    make, follow, stray = HALVES[name]
    with books.opened() as journal:
        for number in range(5):
            journal.append(access(number))
    known = on_disk(books)
    old = [line + b"\n" for line in files.segments(journal.path)[-1].read_bytes().splitlines()]
    new = _unclosed(books, known, old)
    leave(books.folder / REPLICA, *make(old[-3:], new))
    before = verdict_of(books)
    assert (before.finding is not None, before.in_memory) == (stray, follow)
    with books.opened():
        pass
    found = on_disk_or_torn(books)
    resumed = next(each for each in reversed(found) if each.kind == entry.RESUMED)
    assert ("stray" in resumed.fields) == stray
    assert [each.kind for each in found].count(entry.ACCESS) == 5 + follow
    assert verdict_of(books).finding is None


def _unclosed(books: Books, known: Sequence[entry.Entry], old: list[bytes]) -> list[bytes]:
    """What would have followed without the orderly end, which is taken off the disk, unvouched for."""
    path = files.segments(files.journals(books.folder / REPLICA)[-1])[-1]
    del old[-1]
    path.write_bytes(b"".join(old))
    books.anchored.clear()
    books.write()
    return lines(known[-2], 6)


def on_disk_or_torn(books: Books) -> list[entry.Entry]:
    (journal,) = files.journals(books.folder / REPLICA)
    found = []
    for line in files.segments(journal)[-1].read_bytes().splitlines():
        try:
            found.append(entry.read(line))
        except entry.EntryError:
            continue
    return found


def test_a_disk_that_has_a_part_of_a_line_gets_the_rest_of_it(books: Books) -> None:
    with books.opened() as journal:
        journal.append(access())
    path = files.segments(journal.path)[-1]
    old = path.read_bytes().splitlines(keepends=True)
    new = _unclosed(books, on_disk(books), old)
    with path.open("ab") as file:
        file.write(new[0] + new[1][:100])
    leave(books.folder / REPLICA, b"".join(new))
    before = verdict_of(books)
    assert (before.finding, before.in_memory) == (None, 5)
    joining.settle(books.folder / REPLICA)
    assert path.read_bytes() == b"".join([*old, *new])


def symlink(path: Path, elsewhere: Path) -> None:
    path.symlink_to(elsewhere)


def readable(path: Path, elsewhere: Path) -> None:
    path.write_bytes(elsewhere.read_bytes())
    path.chmod(0o644)


def pipe(path: Path, _: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("plant", [symlink, readable, pipe])
def test_what_is_not_privately_ours_is_neither_read_nor_written(
    books: Books, plant: Callable[[Path, Path], None]
) -> None:
    with books.opened() as journal:
        journal.append(access())
    elsewhere = books.home / "elsewhere"
    elsewhere.write_bytes(b"".join(lines(on_disk(books)[-1], 1)).ljust(1000, b"\0"))
    before = elsewhere.read_bytes()
    planted = tail.path_of(books.folder / REPLICA)
    plant(planted, elsewhere)
    assert tail.read(books.folder / REPLICA) == ()
    try:
        with books.opened() as journal:
            sequence = journal.append(access())
    finally:
        planted.unlink(missing_ok=True)
    assert elsewhere.read_bytes() == before
    assert on_disk(books)[-1].sequence > sequence
    assert verdict_of(books).finding is None


def nowhere(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr(tail, "MEMORY", home)


def no_room(monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    def fill(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tail, "_fill", fill)


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("lack", [nowhere, no_room])
def test_without_memory_a_record_is_in_the_file_when_it_is_acknowledged(
    books: Books,
    monkeypatch: pytest.MonkeyPatch,
    lack: Callable[[pytest.MonkeyPatch, Path], None],
) -> None:
    lack(monkeypatch, books.home)
    with books.opened() as journal:
        for number in range(3):
            assert journal.append(access(number)) == on_disk(books)[-1].sequence
        assert verdict_of(books).in_memory == 0
    assert verdict_of(books).finding is None


def test_a_record_does_not_wait_for_a_disk_that_hangs(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, goes_on = threading.Event(), threading.Event()
    add = Segment.add

    def hanging(segment: Segment, data: bytes) -> None:
        hangs.set()
        assert goes_on.wait(60)
        add(segment, data)

    with books.opened() as journal:
        monkeypatch.setattr(Segment, "add", hanging)
        journal.append(access())
        assert hangs.wait(60)
        before = journal.head
        for number in range(100):
            journal.append(access(number))
        # Nobody vouches for what no disk has.
        assert journal.head == before
        goes_on.set()
    assert verdict_of(books).accesses == 101


def test_what_finds_no_room_waits_for_the_disk_and_keeps_its_place(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meaning, "AUDIT_TAIL_BYTES", 2000)
    everybody = [f"pat_{number:08}" for number in range(500)]
    with books.opened() as journal, ThreadPoolExecutor(8) as callers:

        def write(number: int) -> int:
            return journal.append(access(patients=everybody if number % 10 == 0 else []))

        given = list(callers.map(write, range(400)))
    assert len(set(given)) == 400
    found = verdict_of(books)
    assert (found.finding, found.accesses) == (None, 400)


@pytest.mark.usefixtures("slow")
def test_a_tail_that_somebody_removed_is_made_anew(books: Books) -> None:
    with books.opened() as journal:
        path = tail.path_of(books.folder / REPLICA)
        journal.append(access(1))
        path.unlink()
        journal.append(access(2))
        journal.settle()
        assert path.exists()
        journal.append(access(3))
        assert verdict_of(books).in_memory == 1
    assert verdict_of(books).accesses == 3


def test_two_folders_of_one_name_have_two_tails(books: Books, tmp_path: Path) -> None:
    def journal() -> Journal:
        return books.journal()

    opened = journal()
    opened.open()
    opened.close()
    replica = books.folder / REPLICA
    before = tail.path_of(replica)
    replica.rename(tmp_path / "moved")
    replica.mkdir()
    assert len({before, tail.path_of(replica), tail.path_of(tmp_path / "moved")}) == 3
