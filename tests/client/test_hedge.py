"""Hedging: a call that hangs is answered by another attempt, within a budget, and never twice to blame."""

from __future__ import annotations

import threading
import time

import grpc
import pytest

from plexus.errors import NotFound
from plexus.mesh.v1 import runtime_service_pb2 as runtime
from plexus.mesh.v1.runtime_service_pb2_grpc import RuntimeServiceStub
from tests.client.remote import PATIENT, empty, records_of, remote


class Hanging:
    """Hangs every attempt at a call but the last of *attempts*, and notes which were called off."""

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._seen = 0
        self._lock = threading.Lock()
        self.release = threading.Event()
        self.called_off = threading.Semaphore(0)

    def __call__(self, _: bytes, context: grpc.ServicerContext) -> bytes:
        with self._lock:
            self._seen += 1
            last = self._seen >= self._attempts
        if not last:
            context.add_callback(self.called_off.release)
            self.release.wait(10)
        return b""


def test_a_call_that_hangs_is_answered_by_a_second_attempt_and_called_off() -> None:
    hanging = Hanging(attempts=2)
    with remote(hanging) as server, server.channel(hedge_floor=0.01) as opened:
        records_of(opened).GetPatient(PATIENT)
        # The loser ends at the server while its handler still hangs.
        assert hanging.called_off.acquire(timeout=5)
        hanging.release.set()
    assert server.calls == 2


def test_a_second_attempt_that_hangs_too_is_followed_by_a_third() -> None:
    hanging = Hanging(attempts=3)
    with remote(hanging) as server, server.channel(hedge_floor=0.01) as opened:
        records_of(opened).GetPatient(PATIENT, timeout=0.5)
        hanging.release.set()
    assert server.calls == 3


def test_the_last_attempt_waits_until_who_hangs_has_been_ejected() -> None:
    hanging, hangs = Hanging(attempts=4), threading.Event()

    def answer(raw: bytes, context: grpc.ServicerContext) -> bytes:
        return hanging(raw, context) if hangs.is_set() else empty(raw, context)

    with remote(answer) as server, server.channel(hedge_floor=0.01) as opened:
        stub = records_of(opened)
        for _ in range(32):
            # How long these take is what a call is late by.
            stub.GetPatient(PATIENT)
        hangs.set()
        began = time.monotonic()
        stub.GetPatient(PATIENT)
        assert time.monotonic() - began > 0.3
        hanging.release.set()


def test_without_a_rival_left_the_deadline_tells() -> None:
    hanging = Hanging(attempts=9)
    with remote(hanging) as server, server.channel(hedge_floor=0.01, attempts=2) as opened:
        with pytest.raises(Exception, match="DEADLINE_EXCEEDED"):
            records_of(opened).GetPatient(PATIENT)
        hanging.release.set()
    assert server.calls == 4


def test_an_answer_of_no_is_an_answer_and_waits_for_nobody() -> None:
    first = threading.Event()
    release = threading.Event()

    def answer(_: bytes, context: grpc.ServicerContext) -> bytes:
        if first.is_set():
            release.wait(10)
            return b""
        first.set()
        # Long enough that a rival is on its way, which then hangs.
        while server.calls < 2:
            threading.Event().wait(0.001)
        context.abort(grpc.StatusCode.NOT_FOUND, "")
        raise AssertionError

    with remote(answer) as server, server.channel(hedge_floor=0.01) as opened:
        with pytest.raises(NotFound):
            records_of(opened).GetPatient(PATIENT)
        release.set()


def test_a_rivals_refusal_answers_a_call_whose_first_attempt_hangs() -> None:
    first = threading.Event()
    release = threading.Event()

    def answer(_: bytes, context: grpc.ServicerContext) -> bytes:
        if not first.is_set():
            first.set()
            release.wait(10)
            return b""
        context.abort(grpc.StatusCode.NOT_FOUND, "")
        raise AssertionError

    with remote(answer) as server, server.channel(hedge_floor=0.01) as opened:
        with pytest.raises(NotFound):
            records_of(opened).GetPatient(PATIENT)
        release.set()
    assert server.calls == 2


def test_the_budget_bounds_what_a_slow_server_is_asked_twice() -> None:
    def slow(_: bytes, __: grpc.ServicerContext) -> bytes:
        threading.Event().wait(0.03)
        return b""

    calls, start, share = 40, 3.0, 0.05
    with (
        remote(slow) as server,
        server.channel(hedge_floor=0.001, hedge_start=start, hedge_budget=share) as opened,
    ):
        stub = records_of(opened)
        # Fast calls first, so that a slow one is late soon.
        server.answer = empty
        for _ in range(calls):
            stub.GetPatient(PATIENT)
        server.answer = slow
        before = server.calls
        for _ in range(calls):
            stub.GetPatient(PATIENT)
        extra = server.calls - before - calls
    assert 0 < extra <= start + share * 2 * calls


def test_what_is_not_repeatable_is_sent_once() -> None:
    hanging = Hanging(attempts=2)
    request = runtime.SignalProcessRequest(target="x", signal=runtime.SIGNAL_TERM)
    with remote(hanging) as server, server.channel(hedge_floor=0.01) as opened:
        with pytest.raises(Exception, match="DEADLINE_EXCEEDED"):
            RuntimeServiceStub(opened).SignalProcess(request, timeout=0.2)
        hanging.release.set()
    assert server.calls <= 1
