"""A dependency that hangs holds its places and no more; work nobody waits for goes no further."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from plexus.client import Inbound, go_on, working
from plexus.errors import DeadlineExceeded, DependencyUnavailable, Fault
from tests.client.remote import CONTRACT, GET_PATIENT, PATIENT, empty, records_of, remote

BOOK = CONTRACT.method("plexus.scheduling.v1.SchedulingService/BookAppointment")


def test_beyond_its_places_a_hanging_dependency_is_refused_at_once() -> None:
    inside = threading.Semaphore(0)
    release = threading.Event()

    def hang(_: bytes, __: grpc.ServicerContext) -> bytes:
        inside.release()
        release.wait(10)
        return b""

    with remote(hang) as server, server.channel(bulkhead=4, hedge_rivals=0) as opened:
        stub = records_of(opened)
        with ThreadPoolExecutor(4) as callers:
            held = [callers.submit(stub.GetPatient, PATIENT) for _ in range(4)]
            for _ in held:
                assert inside.acquire(timeout=5)
            with pytest.raises(DependencyUnavailable) as refusal:
                stub.GetPatient(PATIENT, timeout=0.01)
            assert refusal.value.metadata == {"dependency": GET_PATIENT}
            release.set()
            for call in held:
                call.result(5)
        # The places are free again, and the refusal told nothing bad of the callee.
        stub.GetPatient(PATIENT)
        assert all(view.failures == 0 for view in opened.breakers())
    assert server.calls == 5


@pytest.mark.parametrize(
    ("seconds", "waits"), [(-1.0, True), (60.0, False)], ids=["time is up", "caller has gone"]
)
def test_work_that_nobody_waits_for_takes_no_further_step(seconds: float, waits: bool) -> None:
    work = Inbound(
        name=BOOK.path,
        method=BOOK,
        calls=BOOK.calls,
        deadline=time.monotonic() + seconds,
        is_active=lambda: waits,
    )
    with remote(empty) as server, server.channel() as opened, working(work):
        with pytest.raises(DeadlineExceeded):
            records_of(opened).GetPatient(PATIENT)
        with pytest.raises(Fault, match="DEADLINE_EXHAUSTED"):
            go_on()
    assert server.calls == 0
