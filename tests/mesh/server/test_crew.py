"""The threads of handlers: every job is done once, whoever is busy, and whoever waits for it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import grpc
import pytest

from mesh.server.crew import Crew
from tests.listening import listening

PATIENCE = 10.0


def names(crew: Crew, jobs: int) -> set[str]:
    """The threads in which jobs are done that are given one after the other."""
    seen: set[str] = set()
    done = threading.Semaphore(0)
    for _ in range(jobs):
        job = crew.submit(lambda: seen.add(threading.current_thread().name))
        job.add_done_callback(lambda _: done.release())
        assert done.acquire(timeout=PATIENCE)
    return seen


def test_a_thread_is_started_only_when_all_are_busy() -> None:
    crew = Crew(8)
    # A thread is idle a moment after it has told that a job is done: there may be two.
    assert len(names(crew, 50)) <= 2


def test_no_more_jobs_are_at_work_than_there_may_be_threads_and_all_are_done() -> None:
    crew, lock, all_done = Crew(3), threading.Lock(), threading.Event()
    gate = threading.Semaphore(0)
    at_work: list[int] = [0, 0]
    ended: list[int] = []

    def work(number: int) -> None:
        with lock:
            at_work[0] += 1
            at_work[1] = max(at_work)
        gate.acquire(timeout=PATIENCE)
        with lock:
            at_work[0] -= 1
            ended.append(number)
            if len(ended) == 200:
                all_done.set()

    with ThreadPoolExecutor(4) as givers:
        list(givers.map(lambda number: crew.submit(work, number), range(200)))
    gate.release(200)
    assert all_done.wait(PATIENCE)
    assert (at_work[1], sorted(ended)) == (3, list(range(200)))


def test_whoever_asks_is_told_once_before_and_after_the_end() -> None:
    crew, gate, first = Crew(1), threading.Event(), threading.Event()
    told: list[object] = []
    job = crew.submit(gate.wait, PATIENCE)
    job.add_done_callback(told.append)
    job.add_done_callback(lambda _: first.set())
    assert told == []
    gate.set()
    assert first.wait(PATIENCE)
    until(lambda: len(told) == 1)
    job.add_done_callback(told.append)
    assert told == [job, job]


def until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_a_thread_outlives_what_a_job_raises(error: type[BaseException]) -> None:
    crew, told = Crew(1), threading.Event()

    def fail() -> None:
        raise error

    crew.submit(fail).add_done_callback(lambda _: told.set())
    assert told.wait(PATIENCE)
    assert len(names(crew, 3)) == 1


def test_grpc_serves_with_it() -> None:
    def serve(raw: Any, context: grpc.ServicerContext) -> Any:
        del context
        return raw

    method: Any = grpc.unary_unary_rpc_method_handler(serve)
    server = grpc.server(cast("ThreadPoolExecutor", Crew(4)), maximum_concurrent_rpcs=8)
    server.add_registered_method_handlers("test.Echo", {"Echo": method})
    with listening(server) as target, grpc.insecure_channel(target) as channel:
        echo: Any = channel.unary_unary("/test.Echo/Echo")
        # More than there may be at once: only who has ended makes room, so every end must be told.
        for _ in range(3):
            calls = [echo.future(b"%d" % number, timeout=PATIENCE) for number in range(4)]
            assert [call.result() for call in calls] == [b"0", b"1", b"2", b"3"]
            for number in range(20):
                assert until_served(echo, b"%d" % number) == b"%d" % number


def until_served(echo: Any, request: bytes) -> Any:
    """The answer, asked for again while gRPC has not noticed that others have ended."""
    while True:
        try:
            return echo(request, timeout=PATIENCE)
        except grpc.RpcError as error:
            failed: Any = error
            assert failed.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
