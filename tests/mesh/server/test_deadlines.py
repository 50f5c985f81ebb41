"""The time of who asked is the time of all who work for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from plexus.client import go_on, optional
from plexus.errors import DeadlineExceeded
from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub
from plexus.scheduling.v1 import scheduling_service_pb2 as scheduling
from plexus.scheduling.v1.scheduling_service_pb2_grpc import SchedulingServiceStub
from tests.mesh.server.serving import (
    PATIENT,
    RECORDS,
    SCHEDULING,
    Answering,
    Unforeseen,
    serving,
)


def test_nothing_is_begun_for_a_caller_whose_time_is_up_three_deep() -> None:
    """Who would work for ever, and who calls them for ever, end with the time of who asked: 50 ms later
    nothing is begun any more."""
    steps: dict[str, list[float]] = {"scheduling": [], "records": []}
    at_work = threading.Semaphore(0)
    ended: list[str] = []

    def work(where: str, step: Callable[[], object]) -> None:
        at_work.release()
        try:
            while True:
                began = time.monotonic()
                go_on()
                steps[where].append(began)
                step()
                time.sleep(0.001)
        finally:
            ended.append(where)

    def search(_: Any, __: Any) -> None:
        work("records", lambda: None)

    with serving(RECORDS, Answering(search)) as to_records:
        ask = RecordsServiceStub(to_records).GetPatient

        class Booking(Unforeseen):
            def BookAppointment(self, request: Any, context: Any) -> None:
                work("scheduling", lambda: optional(ask, PATIENT))

        request = scheduling.BookAppointmentRequest(
            request_id="r1",
            patient_id="pat_00000000",
            practitioner_id="pra_00000000",
            appointment_type_id="apt_00000000",
        )
        request.start_time.GetCurrentTime()
        with serving(SCHEDULING, Booking(), "edge") as opened:
            deadline = time.monotonic() + 0.6
            with pytest.raises(DeadlineExceeded):
                SchedulingServiceStub(opened).BookAppointment(
                    request,
                    timeout=0.6,
                    metadata=(("authorization", "Bearer scheduling.write"),),
                )
            begun = 0
            while at_work.acquire(timeout=0.1):
                begun += 1
            while len(ended) < begun:
                assert time.monotonic() < deadline + 5, "somebody works on"
                time.sleep(0.001)
    assert begun >= 2
    for where, when in steps.items():
        assert when, where
        assert max(when) < deadline + 0.05, where
