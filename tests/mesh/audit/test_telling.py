"""Accesses reach whoever lists them, each once, whatever is away and for how long."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Iterator

import pytest

from mesh import meaning
from mesh.audit.failures import JournalUnavailable
from mesh.audit.journal import Journal
from mesh.audit.segment import Segment
from mesh.audit.telling import Telling
from plexus.records.v1.records_service_pb2 import RecordAccessesRequest, RecordAccessesResponse
from tests.mesh.audit.books import Books, access


class Log:
    """Takes accesses in as records does, in memory."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}
        self.taken: list[tuple[str, int, str]] = []
        self.requests = 0
        self.away = False
        self.answers_lost = 0

    def send(self, told: RecordAccessesRequest) -> RecordAccessesResponse | None:
        self.requests += 1
        if self.away:
            return None
        known = self.known.get(told.journal_id, 0)
        if told.through_sequence > told.after_sequence == known:
            known = self.known[told.journal_id] = told.through_sequence
            self.taken += [
                (told.journal_id, each.sequence, patient)
                for each in told.accesses
                for patient in each.patient_ids
            ]
        if self.answers_lost:
            self.answers_lost -= 1
            return None
        return RecordAccessesResponse(sequence=known)

    @property
    def patients(self) -> Counter[str]:
        """How often there was an access to each."""
        return Counter(patient for _, _, patient in self.taken)


@pytest.fixture
def journal(books: Books) -> Iterator[Journal]:
    with books.opened() as opened:
        yield opened


@pytest.fixture
def log() -> Log:
    return Log()


def write(journal: Journal, numbers: range) -> None:
    for number in numbers:
        journal.append(access(number))
    journal.settle()


def expected(count: int) -> Counter[str]:
    return Counter({f"pat_{number:08}": 1 for number in range(count)})


def test_what_is_on_the_disk_is_told_once(journal: Journal, log: Log) -> None:
    telling = Telling(journal, log.send)
    for start in (0, 10, 20):
        write(journal, range(start, start + 10))
        telling.work()
        telling.work()
    assert log.patients == expected(30)


def test_when_nothing_is_new_nothing_is_sent(journal: Journal, log: Log) -> None:
    telling = Telling(journal, log.send)
    write(journal, range(5))
    telling.work()
    sent = log.requests
    journal.append(access(patients=[]))
    journal.settle()
    telling.work()
    telling.work()
    assert log.requests == sent


def test_while_nobody_takes_them_in_they_wait_and_then_are_told(journal: Journal, log: Log) -> None:
    telling = Telling(journal, log.send)
    log.away = True
    for start in (0, 10):
        write(journal, range(start, start + 10))
        telling.work()
    log.away = False
    telling.work()
    assert log.patients == expected(20)


def test_a_lost_answer_makes_nothing_twice(journal: Journal, log: Log) -> None:
    telling = Telling(journal, log.send)
    for start in range(0, 40, 10):
        write(journal, range(start, start + 10))
        log.answers_lost = 1
        telling.work()
    telling.work()
    assert log.patients == expected(40)


@pytest.mark.parametrize("remembered", [1, 7, 15, 5000])
def test_what_is_not_remembered_any_more_is_read_from_the_journal(
    monkeypatch: pytest.MonkeyPatch, books: Books, log: Log, remembered: int
) -> None:
    monkeypatch.setattr(meaning, "AUDIT_REMEMBERED", remembered)
    monkeypatch.setattr(meaning, "AUDIT_TELL_ENTRIES", 4)
    with books.opened() as journal:
        telling = Telling(journal, log.send)
        for start in range(0, 60, 10):
            log.away = start in (10, 20)
            write(journal, range(start, start + 10))
            telling.work()
        assert log.patients == expected(60)
        assert [sequence for _, sequence, _ in log.taken] == sorted(
            sequence for _, sequence, _ in log.taken
        )


def test_what_is_remembered_is_not_read_again(
    monkeypatch: pytest.MonkeyPatch, journal: Journal, log: Log
) -> None:
    telling = Telling(journal, log.send)
    telling.work()
    reads: list[bytes] = []
    monkeypatch.setattr("mesh.audit.reading.read", reads.append)
    write(journal, range(30))
    telling.work()
    assert (log.patients, reads) == (expected(30), [])


def test_what_could_not_be_written_is_told_when_it_is(
    monkeypatch: pytest.MonkeyPatch, journal: Journal, log: Log
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    telling = Telling(journal, log.send)
    write(journal, range(5))
    telling.work()
    with monkeypatch.context() as broken:
        broken.setattr(Segment, "add", full)
        journal.append(access(5))
        with pytest.raises(JournalUnavailable):
            journal.settle()
        with pytest.raises(JournalUnavailable):
            journal.append(access(6))
    journal.settle()
    telling.work()
    assert log.patients == expected(7)


def test_another_process_goes_on_where_the_log_is(books: Books, log: Log) -> None:
    for start in (0, 10):
        with books.opened() as journal:
            write(journal, range(start, start + 10))
            Telling(journal, log.send).work()
    assert log.patients == expected(20)


def test_two_who_tell_of_one_journal_make_nothing_twice(journal: Journal, log: Log) -> None:
    one, other = Telling(journal, log.send), Telling(journal, log.send)
    for start in range(0, 60, 10):
        write(journal, range(start, start + 10))
        (one if start % 20 else other).work()
        (other if start % 20 else one).work()
    assert log.patients == expected(60)


def test_what_a_replica_that_is_gone_left_is_told_by_its_sibling(books: Books, log: Log) -> None:
    with books.opened("records-2") as gone:
        write(gone, range(10))
    with books.opened("billing-1") as stranger:
        write(stranger, range(20, 30))
    with books.opened("records-1") as journal, books.opened("records-3") as alive:
        write(alive, range(30, 40))
        Telling(journal, log.send).work()
    assert log.patients == expected(10)


def test_many_are_told_in_portions(
    journal: Journal, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meaning, "AUDIT_TELL_ENTRIES", 7)
    write(journal, range(100))
    Telling(journal, log.send).work()
    assert log.patients == expected(100)
    assert log.requests > 100 // 7


def test_a_call_about_thousands_is_told_of_each(journal: Journal, log: Log) -> None:
    everybody = [f"pat_{number:08}" for number in range(2500)]
    journal.append(access(patients=everybody))
    journal.settle()
    Telling(journal, log.send).work()
    assert log.patients == expected(2500)


def test_entries_are_told_over_the_ends_of_files(
    books: Books, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meaning, "AUDIT_FILE_BYTES", 2000)
    with books.opened() as journal:
        telling = Telling(journal, log.send)
        for number in range(30):
            write(journal, range(number, number + 1))
            if number % 7 == 0:
                telling.work()
        telling.work()
    assert log.patients == expected(30)
