"""A feed has no gaps, no late-comers, and wakes its readers."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest
import sqlalchemy as sa

from mesh.persistence import Database
from mesh.persistence.outbox import Entry
from plexus.client import Inbound, working
from plexus.errors import Fault
from tests.mesh.persistence.clinic import OpenCall, events


def test_concurrent_writers_leave_no_gap_and_nothing_appears_behind_a_reader(
    replicas: tuple[Database, Database],
) -> None:
    def write(number: int) -> None:
        replica = replicas[number % 2]
        try:
            with replica.write() as tx:
                events.append(tx, b"%d" % number)
                if number % 5 == 0:
                    raise LookupError
        except LookupError:
            pass

    call = OpenCall()
    seen: list[Entry] = []

    def read() -> None:
        for entry in events.stream(replicas[0], 0, call, poll=0.01):
            seen.append(entry)
            if len(seen) == 80:
                return

    reader = threading.Thread(target=read)
    reader.start()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(100)))
    reader.join(30)
    call.cancel()
    assert [entry.sequence for entry in seen] == list(range(1, 81))
    assert {int(entry.payload) for entry in seen} == {n for n in range(100) if n % 5}
    with replicas[1].read() as tx:
        assert events.last(tx) == 80


def test_events_appended_together_keep_their_order(clinic: Database) -> None:
    with clinic.write() as tx:
        assert events.append(tx, b"a") == 1
        assert events.append_all(tx, [b"b", b"c"]) == 3
        assert events.append_all(tx, []) == 3
    with clinic.read() as tx:
        assert events.read(tx, after=1) == [Entry(2, b"b"), Entry(3, b"c")]
        assert events.read(tx, after=0, limit=1) == [Entry(1, b"a")]


def test_a_stream_wakes_when_its_own_process_commits(clinic: Database) -> None:
    stream = events.stream(clinic, 0, OpenCall(), poll=60)
    with ThreadPoolExecutor(1) as threads:
        entry = threads.submit(next, stream)
        with clinic.write() as tx:
            events.append(tx, b"a")
        assert entry.result(10) == Entry(1, b"a")


def test_a_stream_learns_what_another_replica_commits(
    replicas: tuple[Database, Database],
) -> None:
    stream = events.stream(replicas[0], 0, OpenCall())
    with ThreadPoolExecutor(1) as threads:
        entry = threads.submit(next, stream)
        with replicas[1].write() as tx:
            events.append(tx, b"a")
        assert entry.result(10) == Entry(1, b"a")


@pytest.mark.parametrize("ending", ["caller gone", "deadline near", "process draining"])
def test_a_stream_ends_without_an_error(clinic: Database, ending: str) -> None:
    call = OpenCall(remaining=0.1 if ending == "deadline near" else None)
    if ending == "caller gone":
        call.cancel()
    if ending == "process draining":
        clinic.end_streams()
    assert list(events.stream(clinic, 0, call)) == []


def test_a_waiting_stream_ends_at_once_when_the_process_drains(clinic: Database) -> None:
    with ThreadPoolExecutor(1) as threads:
        ended = threads.submit(list, events.stream(clinic, 0, OpenCall(), poll=60))
        clinic.end_streams()
        assert ended.result(10) == []


def test_a_stream_that_a_client_reads_slowly_holds_no_lock(postgres_url: str) -> None:
    database = Database(postgres_url, patience=1)
    with database.write() as tx:
        tx.execute(sa.text("CREATE TABLE feeds (name varchar PRIMARY KEY, last bigint)"))
        events.table.create(tx)
        events.append_all(tx, [b"a", b"b"])
    stream = events.stream(database, 0, OpenCall())
    assert next(stream).sequence == 1
    with database.write() as tx:
        # Needs the table for itself; would wait for an open transaction of the stream.
        tx.execute(sa.text("ALTER TABLE appointment_events ADD COLUMN note integer"))
    assert next(stream).sequence == 2
    database.close()


def test_a_writer_waits_for_the_one_before_it_and_gives_up_in_time(
    clinic: Database, database_url: str
) -> None:
    impatient = Database(database_url, patience=0.2)
    with clinic.write() as tx:
        events.append(tx, b"a")
        with pytest.raises(Fault) as refusal, impatient.write() as other:
            events.append(other, b"b")
    impatient.close()
    assert refusal.value.reason.name == "STORE_UNAVAILABLE"


def test_an_event_keeps_the_trace_of_the_call_that_caused_it_and_old_rows_have_none(
    clinic: Database,
) -> None:
    cause = f"00-{'a' * 32}-{'b' * 16}-01"
    call = Inbound(name="test", calls={}, deadline=float("inf"), traceparent=cause)
    with clinic.write() as tx:
        events.append(tx, b"by nobody")
        with working(call):
            events.append_all(tx, [b"by a call", b"by the same"])
    told = [entry.traceparent for entry in islice(events.stream(clinic, 0, OpenCall()), 3)]
    assert told == ["", cause, cause]
