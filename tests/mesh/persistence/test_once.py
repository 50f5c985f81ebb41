"""A request has one effect and one answer."""

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

import pytest
import sqlalchemy as sa

from mesh.persistence import Database, new_id, once
from mesh.persistence.once import RequestKey, key_of, once_as, purge
from mesh.persistence.schema import requests
from plexus.client import Inbound, working
from plexus.errors import Fault
from plexus.scheduling.v1.errors_pb2 import SchedulingError
from plexus.scheduling.v1.scheduling_service_pb2 import (
    BookAppointmentRequest,
    BookAppointmentResponse,
    CancelAppointmentRequest,
    MarkNoShowRequest,
    MarkNoShowResponse,
)
from plexus.type.v1.degradation_pb2 import Degradation
from plexus.type.v1.errors_pb2 import PlatformError
from tests.mesh.persistence.clinic import record, recorded

T = TypeVar("T")


def _answer(name: str) -> MarkNoShowResponse:
    response = MarkNoShowResponse()
    response.appointment.id = name
    return response


def _request(request_id: str = "r-1", appointment_id: str = "app_aaaaaaaa") -> MarkNoShowRequest:
    return MarkNoShowRequest(request_id=request_id, appointment_id=appointment_id)


def _send(database: Database, caller: str, request: MarkNoShowRequest) -> str:
    def work(tx: sa.Connection) -> MarkNoShowResponse:
        record(tx, new_id("eff"), 1)
        return _answer(new_id("app"))

    key = key_of(caller, request.request_id, request)
    return once_as(database, key, MarkNoShowResponse, work).appointment.id


def test_a_hundred_equal_requests_to_two_replicas_have_one_effect_and_one_answer(
    replicas: tuple[Database, Database],
) -> None:
    with ThreadPoolExecutor(20) as threads:
        targets = itertools.islice(itertools.cycle(replicas), 100)
        answers = list(threads.map(lambda replica: _send(replica, "edge", _request()), targets))
    assert len(answers) == 100
    assert len(set(answers)) == 1
    assert recorded(replicas[0]) == [1]


@pytest.mark.parametrize(
    "second",
    [
        _request(appointment_id="app_bbbbbbbb"),
        CancelAppointmentRequest(request_id="r-1", appointment_id="app_aaaaaaaa"),
    ],
    ids=["other content", "other method"],
)
def test_an_id_cannot_be_used_for_another_request(
    clinic: Database, second: MarkNoShowRequest | CancelAppointmentRequest
) -> None:
    _send(clinic, "edge", _request())
    key = key_of("edge", second.request_id, second)
    with pytest.raises(Fault) as refusal:
        once_as(clinic, key, MarkNoShowResponse, lambda _: _answer("app_never"))
    assert refusal.value.reason.name == "REQUEST_ID_REUSED"
    assert recorded(clinic) == [1]


def test_callers_do_not_share_ids(clinic: Database) -> None:
    assert _send(clinic, "billing", _request()) != _send(clinic, "triage", _request())


def test_a_request_without_an_id_is_not_remembered(clinic: Database) -> None:
    assert _send(clinic, "edge", _request("")) != _send(clinic, "edge", _request(""))
    with clinic.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(requests)) == 0


def test_a_request_that_failed_leaves_nothing_and_can_be_repeated(clinic: Database) -> None:
    def fail(tx: sa.Connection) -> MarkNoShowResponse:
        record(tx, new_id("eff"), 1)
        raise LookupError

    with pytest.raises(LookupError):
        once_as(clinic, key_of("edge", "r-1", _request()), MarkNoShowResponse, fail)
    assert recorded(clinic) == []
    assert _send(clinic, "edge", _request())


def test_a_handler_is_repeated_under_the_caller_of_the_call_in_progress(clinic: Database) -> None:
    def handle(caller: str) -> str:
        work = Inbound(name="", calls={}, deadline=time.monotonic() + 1, caller=caller)
        with working(work):
            response = once(
                clinic, _request(), MarkNoShowResponse, lambda _: _answer(new_id("app"))
            )
        return response.appointment.id

    first = handle("edge")
    assert handle("edge") == first
    assert handle("billing") != first


def test_old_answers_are_forgotten_and_new_ones_kept(clinic: Database) -> None:
    for number in range(3):
        key = RequestKey("edge", f"r-{number}", b"")
        once_as(clinic, key, MarkNoShowResponse, lambda _: _answer("app_aaaaaaaa"))
    with clinic.write() as tx:
        tx.execute(sa.update(requests).where(requests.c.request_id != "r-0").values(create_time=1))
    assert purge(clinic, timedelta(hours=1)) == 2
    with clinic.read() as tx:
        assert list(tx.scalars(sa.select(requests.c.request_id))) == ["r-0"]


def test_a_repeat_says_what_the_first_answer_lacked(clinic: Database) -> None:
    request = BookAppointmentRequest(request_id="r-1", patient_id="pat_aaaaaaaa")
    first = _in_progress(lacking="records")
    repeat = _in_progress(lacking="something else")
    answers = []
    for work in (first, repeat):
        with working(work):
            made = once(
                clinic, request, BookAppointmentResponse, lambda _: BookAppointmentResponse()
            )
        # What the stack does after the handler.
        made.degradations.extend(work.degradations)
        answers.append([note.dependency for note in made.degradations])
    assert answers == [["records"], ["records"]]


def _in_progress(lacking: str) -> Inbound:
    work = Inbound(name="m", calls={}, deadline=time.monotonic() + 60, caller="edge/app")
    work.degradations.append(Degradation(dependency=lacking))
    return work


def taken() -> Fault:
    return Fault(
        SchedulingError, SchedulingError.SCHEDULING_ERROR_SLOT_TAKEN, practitioner_id="pra_aaaaaaaa"
    )


def test_a_late_attempt_does_not_do_what_its_caller_was_told_cannot_be_done(
    clinic: Database,
) -> None:
    key = key_of("edge", "r-1", _request())

    def refuse(_: sa.Connection) -> MarkNoShowResponse:
        raise taken()

    def succeed(tx: sa.Connection) -> MarkNoShowResponse:
        # The world has changed since: the slot came free.
        record(tx, new_id("eff"), 1)
        return _answer("app_late")

    outcomes = []
    for work in (refuse, succeed):
        with pytest.raises(Fault) as refusal:
            once_as(clinic, key, MarkNoShowResponse, work)
        outcomes.append((refusal.value.reason.name, dict(refusal.value.metadata)))
    assert outcomes == [("SLOT_TAKEN", {"practitioner_id": "pra_aaaaaaaa"})] * 2
    assert recorded(clinic) == []


def test_a_refusal_gives_way_to_the_answer_that_another_attempt_already_has(
    clinic: Database,
) -> None:
    key = key_of("edge", "r-1", _request())

    def lose(_: sa.Connection) -> MarkNoShowResponse:
        raise taken()

    def win_meanwhile(_: sa.Connection) -> MarkNoShowResponse:
        return _answer("app_first")

    class Between(Database):
        """A store in which another attempt commits between the refusal and its being stored."""

        def transact(self, work: Callable[[sa.Connection], T]) -> T:
            try:
                return super().transact(work)
            except Fault:
                once_as(clinic, key, MarkNoShowResponse, win_meanwhile)
                raise

    other = Between(str(clinic.url.render_as_string(hide_password=False)))
    assert once_as(other, key, MarkNoShowResponse, lose).appointment.id == "app_first"
    other.close()


def test_a_failure_of_the_platform_leaves_nothing_and_can_be_repeated(clinic: Database) -> None:
    key = key_of("edge", "r-1", _request())

    def fail(_: sa.Connection) -> MarkNoShowResponse:
        raise Fault(PlatformError, PlatformError.PLATFORM_ERROR_STORE_UNAVAILABLE)

    with pytest.raises(Fault, match="STORE_UNAVAILABLE"):
        once_as(clinic, key, MarkNoShowResponse, fail)
    again = once_as(clinic, key, MarkNoShowResponse, lambda _: _answer("app_again"))
    assert again.appointment.id == "app_again"
