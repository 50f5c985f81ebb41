"""Breakers: open after failures in a row, answer at once, let one probe through, and recover."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from plexus.client import Inbound, working
from plexus.client.breaker import Breaker
from plexus.errors import DependencyUnavailable, PlexusError, from_rpc
from tests.client.remote import CONTRACT, GET_PATIENT, PATIENT, empty, failing, records_of, remote


def attempt(stub: object) -> str:
    try:
        stub.GetPatient(PATIENT)  # type: ignore[attr-defined]
    except PlexusError as error:
        return type(error).__name__
    return "ok"


@pytest.mark.parametrize(
    ("code", "opens"),
    [
        (grpc.StatusCode.DEADLINE_EXCEEDED, True),
        (grpc.StatusCode.INTERNAL, True),
        (grpc.StatusCode.UNKNOWN, True),
        (grpc.StatusCode.NOT_FOUND, False),
        (grpc.StatusCode.FAILED_PRECONDITION, False),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, False),
        (grpc.StatusCode.CANCELLED, False),
    ],
)
def test_only_sickness_opens_a_breaker(code: grpc.StatusCode, opens: bool) -> None:
    with (
        remote(failing(code)) as server,
        server.channel(breaker_failures=3, hedge_rivals=0) as opened,
    ):
        stub = records_of(opened)
        outcomes = [attempt(stub) for _ in range(5)]
    assert (outcomes[3:] == ["DependencyUnavailable"] * 2) is opens
    assert server.calls == (3 if opens else 5)


def test_a_dead_server_opens_it_and_the_refusal_names_the_dependency() -> None:
    with remote(empty) as server:
        pass
    with server.channel(breaker_failures=2) as opened:
        stub = records_of(opened)
        assert [attempt(stub) for _ in range(2)] == ["Unavailable"] * 2
        with pytest.raises(DependencyUnavailable) as refusal:
            stub.GetPatient(PATIENT)
    assert refusal.value.reason == "DEPENDENCY_UNAVAILABLE"
    assert refusal.value.metadata == {"dependency": GET_PATIENT}


def test_a_success_in_between_starts_the_count_again() -> None:
    codes = iter([True, True, False, True, True, False])

    def sometimes(_: bytes, context: grpc.ServicerContext) -> bytes:
        if next(codes):
            context.abort(grpc.StatusCode.INTERNAL, "")
        return b""

    with remote(sometimes) as server, server.channel(breaker_failures=3, hedge_rivals=0) as opened:
        stub = records_of(opened)
        assert [attempt(stub) for _ in range(6)] == ["Internal", "Internal", "ok"] * 2


def test_many_who_waited_at_one_bad_moment_open_nothing_while_others_are_answered() -> None:
    """And those who begin after the last answer open it, however many wait at once."""
    waiting, release = threading.Semaphore(0), threading.Event()

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        if request == PATIENT.SerializeToString():
            waiting.release()
            release.wait(5)
            context.abort(grpc.StatusCode.INTERNAL, "")
        return b""

    with (
        remote(answer) as server,
        server.channel(breaker_failures=3, hedge_rivals=0) as opened,
        ThreadPoolExecutor(8) as callers,
    ):
        stub = records_of(opened)

        def wait_together(answered_meanwhile: bool) -> list[str]:
            release.clear()
            late = [callers.submit(attempt, stub) for _ in range(8)]
            for _ in late:
                assert waiting.acquire(timeout=5)
            if answered_meanwhile:
                stub.GetPatient(type(PATIENT)(patient_id="pat_bbbbbbbb"))
            release.set()
            return [each.result() for each in late]

        assert wait_together(answered_meanwhile=True) == ["Internal"] * 8
        assert wait_together(answered_meanwhile=False) == ["Internal"] * 8
        assert attempt(stub) == "DependencyUnavailable"


def test_half_open_lets_exactly_one_probe_through_among_a_hundred_callers() -> None:
    probing, release = threading.Event(), threading.Event()
    sick = threading.Event()
    sick.set()

    def answer(_: bytes, context: grpc.ServicerContext) -> bytes:
        if sick.is_set():
            context.abort(grpc.StatusCode.INTERNAL, "")
        probing.set()
        release.wait(5)
        return b""

    once = {"breaker_failures": 1, "breaker_seconds": 0, "hedge_rivals": 0}
    with remote(answer) as server, server.channel(**once) as opened:
        stub = records_of(opened)
        assert attempt(stub) == "Internal"
        sick.clear()
        before = server.calls
        with ThreadPoolExecutor(100) as callers:
            probe = callers.submit(attempt, stub)
            assert probing.wait(5)
            outcomes = list(callers.map(attempt, [stub] * 99))
            release.set()
            assert probe.result() == "ok"
        assert outcomes == ["DependencyUnavailable"] * 99
        assert server.calls - before == 1
        # The probe closed it.
        assert attempt(stub) == "ok"


def test_who_can_do_without_does_not_wait_for_the_probe() -> None:
    release, healthy = threading.Event(), threading.Event()

    def answer(_: bytes, context: grpc.ServicerContext) -> bytes:
        if not healthy.is_set():
            context.abort(grpc.StatusCode.INTERNAL, "")
        release.wait(5)
        return b""

    method = CONTRACT.method("plexus.scheduling.v1.SchedulingService/BookAppointment")
    work = Inbound(
        name=method.path, method=method, calls=method.calls, deadline=time.monotonic() + 60
    )
    with remote(answer) as server, server.channel(breaker_failures=1, breaker_seconds=0) as opened:
        stub = records_of(opened)
        with working(work):
            assert attempt(stub) == "Internal"
            healthy.set()
            # The probe hangs at the server, and the callers have long gone on.
            assert [attempt(stub) for _ in range(3)] == ["DependencyUnavailable"] * 3
            release.set()
            deadline = time.monotonic() + 5
            while attempt(stub) != "ok":
                assert time.monotonic() < deadline
    assert server.calls >= 3


def test_a_cancelled_probe_leaves_it_open_and_free_for_the_next_probe() -> None:
    breaker = Breaker(GET_PATIENT, failures=1, seconds=0)
    breaker.failed(_failure(grpc.StatusCode.UNAVAILABLE))
    assert breaker.admit_probe()
    assert not breaker.admit_probe()
    breaker.settle(_failure(grpc.StatusCode.CANCELLED))
    assert not breaker.is_closed
    assert breaker.admit_probe()
    breaker.settle(None)
    assert breaker.is_closed


def test_calls_pass_side_by_side() -> None:
    together = threading.Barrier(10)

    def meet(_: bytes, __: grpc.ServicerContext) -> bytes:
        # Only passes when all ten calls are in flight at once.
        together.wait(5)
        return b""

    with remote(meet) as server, server.channel() as opened:
        stub = records_of(opened)
        with ThreadPoolExecutor(10) as callers:
            assert list(callers.map(attempt, [stub] * 10)) == ["ok"] * 10


def test_its_view_tells_state_last_error_and_next_probe() -> None:
    with remote(failing(grpc.StatusCode.INTERNAL)) as server:
        with server.channel(breaker_failures=1, breaker_seconds=60) as opened:
            attempt(records_of(opened))
            (view,) = (row for row in opened.breakers() if row.method == GET_PATIENT)
    assert (view.state, view.last_error, view.failures) == ("open", "INTERNAL", 1)
    assert 0 < view.next_probe <= 60


def _failure(code: grpc.StatusCode) -> PlexusError:
    class Failed(grpc.RpcError):
        def code(self) -> grpc.StatusCode:
            return code

        def details(self) -> str:
            return ""

        def trailing_metadata(self) -> tuple[()]:
            return ()

    return from_rpc(Failed())
