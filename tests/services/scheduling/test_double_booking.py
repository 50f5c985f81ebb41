"""One time, many who want it: threads over two replicas, and two processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import cycle, pairwise

import pytest

from mesh.persistence import Database
from plexus.errors import PlexusError
from plexus.scheduling.v1.slot_pb2 import Slot
from tests.services.scheduling.surgery import Surgery, patient

WISHES = 100


@pytest.fixture
def replicas(database_url: str) -> Iterator[tuple[Surgery, Surgery]]:
    """Two replicas of scheduling on one database."""
    databases = Database(database_url), Database(database_url)
    yield Surgery(databases[0]), Surgery(databases[1])
    for database in databases:
        database.close()


def outcome(work: Callable[[], object]) -> str:
    try:
        work()
    except PlexusError as error:
        return error.reason
    return "BOOKED"


def at_once(works: list[Callable[[], object]]) -> Counter[str]:
    """How many calls of each outcome, all begun together."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> str:
        start.wait()
        return outcome(work)

    with ThreadPoolExecutor(len(works)) as threads:
        return Counter(threads.map(run, works))


def test_of_a_hundred_who_want_one_slot_one_gets_it(replicas: tuple[Surgery, Surgery]) -> None:
    surgery = replicas[0]
    surgery.employ(surgery.open_clinic())
    surgery.offer()
    slot = surgery.slots()[0]
    works: list[Callable[[], object]] = [
        partial(replica.book, slot, patient_id=patient(number))
        for number, replica in zip(range(WISHES), cycle(replicas), strict=False)
    ]
    assert at_once(works) == {"BOOKED": 1, "SLOT_TAKEN": WISHES - 1}
    (event,) = surgery.events(1)
    assert event.appointment.start_time == slot.start_time
    assert slot not in surgery.slots()


def test_a_hundred_repeats_of_one_request_book_once(replicas: tuple[Surgery, Surgery]) -> None:
    surgery = replicas[0]
    surgery.employ(surgery.open_clinic())
    surgery.offer()
    slot = surgery.slots()[0]
    answers: list[str] = []

    def book(replica: Surgery) -> None:
        answers.append(replica.book(slot, request_id="one").SerializeToString().hex())

    works: list[Callable[[], object]] = [
        partial(book, replica) for _, replica in zip(range(WISHES), cycle(replicas), strict=False)
    ]
    assert at_once(works) == {"BOOKED": WISHES}
    assert len(set(answers)) == 1
    surgery.events(1)


def test_times_that_overlap_in_any_way_are_never_both_booked(
    replicas: tuple[Surgery, Surgery],
) -> None:
    surgery = replicas[0]
    surgery.employ(surgery.open_clinic())
    surgery.offer(minutes=25)
    slot = surgery.slots()[0]
    works: list[Callable[[], object]] = []
    for number, replica in zip(range(60), cycle(replicas), strict=False):
        wanted = Slot()
        wanted.CopyFrom(slot)
        wanted.start_time.seconds += number % 30 * 300
        works.append(partial(replica.book, wanted, patient_id=patient(number)))
    outcomes = at_once(works)
    assert outcomes.keys() <= {"BOOKED", "SLOT_TAKEN"}
    taken = sorted(
        (event.appointment.start_time.seconds, event.appointment.end_time.seconds)
        for event in surgery.events(outcomes["BOOKED"])
    )
    assert all(end <= start for (_, end), (start, _) in pairwise(taken))


def test_appointments_that_change_places_do_not_wait_for_each_other_for_ever(
    replicas: tuple[Surgery, Surgery],
) -> None:
    surgery = replicas[0]
    surgery.employ(surgery.open_clinic())
    surgery.offer(minutes=15)
    slots = surgery.slots(limit=8)
    booked = [surgery.book(slot) for slot in slots]
    works: list[Callable[[], object]] = [
        partial(
            replica.call,
            "RescheduleAppointment",
            appointment_id=each.id,
            start_time=slots[(number + step) % len(slots)].start_time,
        )
        for step in (1, 3, 5)
        for number, (each, replica) in enumerate(zip(booked, cycle(replicas), strict=False))
    ]
    works += [
        partial(replica.call, "CancelAppointment", appointment_id=each.id)
        for each, replica in zip(booked[::2], cycle(replicas), strict=False)
    ]
    outcomes = at_once(works)
    assert outcomes.keys() <= {"BOOKED", "SLOT_TAKEN", "STATE_CONFLICT"}
    held = {
        each.start_time.seconds
        for each in surgery.call("ListAppointments", states=[1]).appointments
    }
    assert len(held) == len(booked) - len(booked[::2])
    free = {slot.start_time.seconds for slot in surgery.slots(limit=8)}
    assert {slot.start_time.seconds for slot in slots} - free == held


PROCESS = """
import sys
import structlog
from mesh.persistence import Database
from plexus.scheduling.v1.slot_pb2 import Slot
from tests.services.scheduling.surgery import Surgery, patient
from tests.services.scheduling.test_double_booking import at_once
from functools import partial

# What is printed are the counts and nothing else.
structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
url, first, *slots = sys.argv[1:]
database = Database(url)
surgery = Surgery(database)
print("ready", flush=True)
sys.stdin.readline()
for number, text in enumerate(slots):
    slot = Slot.FromString(bytes.fromhex(text))
    wishes = [
        partial(surgery.book, slot, patient_id=patient(int(first) + wish)) for wish in range(50)
    ]
    outcomes = at_once(wishes)
    print(outcomes["BOOKED"], outcomes["SLOT_TAKEN"], flush=True)
database.close()
"""


def test_of_a_hundred_in_two_processes_one_gets_each_slot(
    database: Database, database_url: str
) -> None:
    surgery = Surgery(database)
    surgery.employ(surgery.open_clinic())
    surgery.offer()
    slots = surgery.slots(limit=3)
    wanted = [slot.SerializeToString().hex() for slot in slots]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(_process(database_url, str(first), *wanted)) for first in (0, 50)
        ]
        assert [process.stdout.readline() for process in processes if process.stdout] == [
            "ready\n",
            "ready\n",
        ]
        for process in processes:
            _go(process)
        told = [process.communicate(timeout=60)[0].split() for process in processes]
    booked = [map(int, each[::2]) for each in told]
    refused = [map(int, each[1::2]) for each in told]
    assert [sum(each) for each in zip(*booked, strict=True)] == [1] * len(slots)
    assert [sum(each) for each in zip(*refused, strict=True)] == [99] * len(slots)
    surgery.events(len(slots))


@contextmanager
def _process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
