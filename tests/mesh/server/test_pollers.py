"""Calls are answered by whoever hears of them, and one that takes its time keeps nobody else waiting."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from operator import methodcaller
from typing import Any, cast

import grpc
import pytest

from mesh.server import pollers
from mesh.server.pollers import Pollers
from tests.listening import listening

PATIENCE = 10.0
MOST = 32
ENDED = {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN}
alike = pytest.mark.parametrize("hands", ["pollers", "grpcio alone"])


@contextmanager
def serving(hands: str, threads: int, **methods: Any) -> Iterator[grpc.Channel]:
    """A channel to a server of test.Calls with *methods*, bytes in and out."""
    serving = Pollers(threads)
    server = grpc.server(cast("Any", serving), maximum_concurrent_rpcs=MOST)
    started: Callable[[grpc.Server], None] = partial(
        serving.serve, services={"test.Calls": methods}
    )
    if hands != "pollers":
        server.add_registered_method_handlers("test.Calls", methods)
        started = methodcaller("start")
    with listening(server, started) as target, grpc.insecure_channel(target) as channel:
        yield channel


def unary(answer: Callable[[bytes, grpc.ServicerContext], bytes]) -> Any:
    made: Any = grpc.unary_unary_rpc_method_handler(
        cast("Any", answer), response_serializer=cast("Any", bytes)
    )
    return made


def call(channel: grpc.Channel, name: str = "Call") -> Any:
    made: Any = channel.unary_unary(f"/test.Calls/{name}")
    return made


def test_this_grpcio_is_as_expected() -> None:
    # When a new one is not, calls are answered as before, for more: docs/decisions/0017.
    assert pollers.as_expected(grpc.server(ThreadPoolExecutor(1)))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (pollers._cygrpc, "SendStatusFromServerOperation"),
        (pollers._server, "_process_event_and_continue"),
    ],
)
def test_another_grpcio_serves_alone(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    with monkeypatch.context() as other:
        other.delattr(module, name)
        assert not pollers.as_expected(grpc.server(ThreadPoolExecutor(1)))
    monkeypatch.setattr(pollers, "as_expected", lambda _: False)
    with serving("pollers", 4, Call=unary(lambda request, _: request)) as channel:
        assert call(channel)(b"1", timeout=PATIENCE) == b"1"


def test_quick_calls_are_answered_without_a_thread_of_the_crew() -> None:
    names = set()

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        del context
        names.add(threading.current_thread().name)
        return request

    with serving("pollers", 4, Call=unary(answer)) as channel:
        for number in range(50):
            assert call(channel)(b"%d" % number, timeout=PATIENCE) == b"%d" % number
    assert not any(name.startswith("handler_") and "poller" not in name for name in names)


@alike
def test_calls_that_hang_keep_nobody_waiting(hands: str) -> None:
    go_on = threading.Event()
    hung = threading.Semaphore(0)
    many = pollers.POLLERS * 3

    def hang(request: bytes, context: grpc.ServicerContext) -> bytes:
        del context
        hung.release()
        go_on.wait(PATIENCE)
        return request

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        del context
        return request

    served = serving(hands, many + 2, Hang=unary(hang), Call=unary(answer))
    with served as channel:
        for _ in range(2):
            waiting = [
                call(channel, "Hang").future(b"%d" % number, timeout=PATIENCE)
                for number in range(many)
            ]
            assert all(hung.acquire(timeout=PATIENCE) for _ in range(many))
            for number in range(20):
                assert call(channel)(b"%d" % number, timeout=PATIENCE) == b"%d" % number
            go_on.set()
            assert [each.result() for each in waiting] == [b"%d" % n for n in range(many)]
            go_on.clear()


@alike
def test_what_goes_wrong_is_told_as_grpcio_tells_it(hands: str) -> None:
    gone, hung = threading.Event(), threading.Event()

    def fail(request: bytes, context: grpc.ServicerContext) -> bytes:
        if request:
            context.abort(grpc.StatusCode.NOT_FOUND, "nothing")
        raise ValueError("broken")

    def hang(request: bytes, context: grpc.ServicerContext) -> bytes:
        context.add_callback(gone.set)
        hung.set()
        while context.is_active():
            time.sleep(0.005)
        return request

    with serving(hands, 8, Call=unary(fail), Hang=unary(hang)) as channel:
        assert told(lambda: call(channel)(b"1", timeout=PATIENCE))[0] is grpc.StatusCode.NOT_FOUND
        assert told(lambda: call(channel)(b"", timeout=PATIENCE))[0] is grpc.StatusCode.UNKNOWN
        # A method of one request, called with none.
        several: Any = channel.stream_unary("/test.Calls/Call")
        code, details = told(lambda: several(iter(()), timeout=PATIENCE))
        assert (code, "exactly one request" in details) == (grpc.StatusCode.UNIMPLEMENTED, True)
        # One that is called off before its request was sent, and one while it is answered.
        never = threading.Event()
        begun = several.future(iter(lambda: never.wait(PATIENCE), True), timeout=PATIENCE)
        begun.cancel()
        never.set()
        answering = call(channel, "Hang").future(b"", timeout=PATIENCE)
        assert hung.wait(PATIENCE)
        answering.cancel()
        assert gone.wait(PATIENCE)
        # Nobody was lost by all that.
        for _ in range(pollers.POLLERS * 2):
            assert told(lambda: call(channel)(b"1", timeout=PATIENCE))[1] == "nothing"


@alike
def test_a_handler_is_told_of_its_call_and_says_what_goes_with_the_answer(hands: str) -> None:
    seen: dict[str, Any] = {}

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        metadata = dict(context.invocation_metadata() or ())
        seen.update(
            metadata=(metadata["who"], metadata["raw-bin"]),
            peer=context.peer().partition(":")[0],
            identities=(context.peer_identities(), context.peer_identity_key()),
            security=context.auth_context().get("security_level"),
            left=0 < context.time_remaining() < PATIENCE + 1,
            active=context.is_active(),
        )
        context.send_initial_metadata((("first", "1"),))
        context.set_trailing_metadata((("last-bin", b"\x00"),))
        if request:
            context.set_code(grpc.StatusCode.DATA_LOSS)
            context.set_details("läst")
        return request

    sent = (("who", "me"), ("raw-bin", b"\xff"))
    with serving(hands, 4, Call=unary(answer)) as channel:
        response, told = call(channel).with_call(b"", timeout=PATIENCE, metadata=sent)
        with pytest.raises(grpc.RpcError) as caught:
            call(channel)(b"1", timeout=PATIENCE, metadata=sent)
    failed: Any = caught.value
    assert (response, dict(told.initial_metadata())["first"]) == (b"", "1")
    assert dict(told.trailing_metadata())["last-bin"] == b"\x00"
    assert (failed.code(), failed.details()) == (grpc.StatusCode.DATA_LOSS, "läst")
    assert seen == {
        "metadata": ("me", b"\xff"),
        "peer": "unix",
        "identities": (None, None),
        "security": [b"TSI_SECURITY_NONE"],
        "left": True,
        "active": True,
    }


@alike
def test_who_is_one_too_many_is_refused_and_makes_room_for_nobody(hands: str) -> None:
    go_on = threading.Event()
    hung = threading.Semaphore(0)

    def hang(request: bytes, context: grpc.ServicerContext) -> bytes:
        del context
        hung.release()
        go_on.wait(PATIENCE)
        return request

    with serving(hands, MOST, Call=unary(hang)) as channel:
        for _ in range(2):
            waiting = [call(channel).future(b"1", timeout=PATIENCE) for _ in range(MOST)]
            assert all(hung.acquire(timeout=PATIENCE) for _ in waiting)
            for _ in range(3):
                code, _ = told(lambda: call(channel)(b"", timeout=PATIENCE))
                assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
            go_on.set()
            assert [each.result() for each in waiting] == [b"1"] * MOST
            go_on.clear()


def test_an_answer_that_cannot_be_sent_ends_its_call_and_nothing_else() -> None:
    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        if request:
            context.set_trailing_metadata(cast("Any", ((1, 2),)))
        return request

    with serving("pollers", 4, Call=unary(answer)) as channel:
        for _ in range(pollers.POLLERS * 2):
            assert told(lambda: call(channel)(b"1", timeout=PATIENCE))[0] in ENDED
            assert call(channel)(b"", timeout=PATIENCE) == b""


@alike
def test_a_call_is_let_go_of_when_it_has_ended_however_that_was(hands: str) -> None:
    known: list[weakref.ref[grpc.ServicerContext]] = []

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        known.append(weakref.ref(context))
        if request == b"abort":
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "later")
        return request

    with serving(hands, 8, Call=unary(answer)) as channel, no_collection():
        for request in (b"abort", b"answer"):
            with suppress(grpc.RpcError):
                call(channel)(request, timeout=PATIENCE)
        end = time.monotonic() + PATIENCE
        while any(each() for each in known) and time.monotonic() < end:
            time.sleep(0.005)
        assert [each() for each in known] == [None] * 2


@contextmanager
def no_collection() -> Iterator[None]:
    """While nobody looks for cycles: under load that costs more than the calls."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def told(attempt: Callable[[], Any]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        attempt()
    error: Any = caught.value
    return error.code(), error.details()


@alike
def test_streams_are_served_beside_them(hands: str) -> None:
    def count(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        del context
        yield from (b"%d" % number for number in range(int(request)))

    def add(requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        del context
        return b"%d" % sum(map(int, requests))

    counting: Any = grpc.unary_stream_rpc_method_handler(cast("Any", count))
    adding: Any = grpc.stream_unary_rpc_method_handler(cast("Any", add))
    with serving(hands, 4, Count=counting, Add=adding) as channel:
        counted: Any = channel.unary_stream("/test.Calls/Count")
        added: Any = channel.stream_unary("/test.Calls/Add")
        for _ in range(5):
            numbers = list(counted(b"100", timeout=PATIENCE))
            assert added(iter(numbers), timeout=PATIENCE) == b"4950"


def test_nobody_waits_for_a_server_that_has_ended() -> None:
    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        del context
        return request

    def waiting() -> list[threading.Thread]:
        return [each for each in threading.enumerate() if "handler_poller" in each.name]

    before = len(waiting())
    with serving("pollers", 4, Call=unary(answer)) as channel:
        assert call(channel)(b"1", timeout=PATIENCE) == b"1"
        assert len(waiting()) == before + pollers.POLLERS - 1
    deadline = time.monotonic() + PATIENCE
    while len(waiting()) > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(waiting()) == before
