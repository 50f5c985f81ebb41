"""A call under way: what grpcio's private batch does and what its public stream does are the same."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from weakref import WeakSet

import grpc
import pytest

from plexus.client import exchange
from plexus.client.exchange import Begin, Metadata, exchanges
from tests.client.remote import Answer, Remote, failing, remote

PATH = "/plexus.records.v1.RecordsService/GetPatient"
WAYS = [exchange._direct, exchange._streamed]
OPENED: WeakSet[grpc.Channel] = WeakSet()

alike = pytest.mark.parametrize("way", WAYS, ids=["one batch", "a stream"])

Way = Callable[..., Begin]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Closes what a test opened and nobody holds but its calls."""
    yield
    for each in OPENED:
        each.close()


def begins(server: Remote, way: Way, serialize: Any = bytes, deserialize: Any = bytes) -> Begin:
    options = [(grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1)]
    opened = grpc.insecure_channel(server.address, options=options)
    OPENED.add(opened)
    return way(opened, PATH, serialize, deserialize)


def told(error: Any) -> tuple[object, ...]:
    return error.code(), error.details(), dict(error.trailing_metadata())


def refused(begun: Callable[[], Any]) -> tuple[object, ...]:
    with pytest.raises(grpc.RpcError) as caught:
        begun()
    return told(caught.value)


@alike
def test_an_answer_is_handed_over_and_the_call_says_what_it_was_told(way: Way) -> None:
    def echo(request: bytes, _: grpc.ServicerContext) -> bytes:
        return request[::-1]

    with remote(echo) as server:
        begin = begins(server, way)
        metadata: Metadata = [("plexus-attempt", "2"), ("some-bin", b"\x00\xff")]
        assert begin(b"abc", 5.0, metadata).take() == b"cba"
        # The channel is nobody's but the call's own.
        gc.collect()
        assert begin(b"", 5.0, []).take() == b""
    (seen, _), (left, _) = server.metadata, server.remaining
    assert (seen["plexus-attempt"], seen["some-bin"]) == ("2", b"\x00\xff")
    assert left is not None
    assert left < 5.5


@alike
def test_a_call_needs_no_deadline(way: Way) -> None:
    with remote(lambda request, _: request) as server:
        assert begins(server, way)(b"abc", None, []).take() == b"abc"


@alike
def test_a_refusal_comes_with_its_status_and_what_was_sent_along(way: Way) -> None:
    def refuse(_: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((("why", "so"), ("more-bin", b"\x00\x01")))
        context.abort(grpc.StatusCode.NOT_FOUND, "nowhere, ü")
        raise AssertionError

    with remote(refuse) as server:
        begun = begins(server, way)(b"", 5.0, [("a", "b")])
        code, details, trailing = refused(begun.take)
    assert (code, details) == (grpc.StatusCode.NOT_FOUND, "nowhere, ü")
    assert trailing == {"why": "so", "more-bin": b"\x00\x01"}


@alike
def test_a_call_is_called_off_from_another_thread_and_again_when_it_is_over(way: Way) -> None:
    arrived, gone = threading.Event(), threading.Event()

    def hang(_: bytes, context: grpc.ServicerContext) -> bytes:
        context.add_callback(gone.set)
        arrived.set()
        gone.wait(10)
        return b""

    with remote(hang) as server, ThreadPoolExecutor(1) as reader:
        begun = begins(server, way)(b"", 9.0, [])
        taken = reader.submit(refused, begun.take)
        assert arrived.wait(5)
        begun.cancel()
        assert taken.result(5)[0] is grpc.StatusCode.CANCELLED
        assert gone.wait(5)
        begun.cancel()


@alike
def test_a_call_that_is_called_off_before_it_is_waited_for_is_cancelled(way: Way) -> None:
    release = threading.Event()

    def hang(_: bytes, __: grpc.ServicerContext) -> bytes:
        release.wait(10)
        return b""

    with remote(hang) as server:
        begun = begins(server, way)(b"", 9.0, [])
        begun.cancel()
        assert refused(begun.take)[0] is grpc.StatusCode.CANCELLED
        release.set()


@alike
@pytest.mark.parametrize(
    ("answer", "timeout", "code"),
    [
        (lambda _, __: threading.Event().wait(0.3) or b"", 0.05, "DEADLINE_EXCEEDED"),
        (failing(grpc.StatusCode.RESOURCE_EXHAUSTED), 5.0, "RESOURCE_EXHAUSTED"),
        (lambda _, __: None, 5.0, "INTERNAL"),
    ],
    ids=["too late", "too much", "no response"],
)
def test_a_call_without_a_response_says_why(
    way: Way, answer: Answer, timeout: float, code: str
) -> None:
    with remote(answer) as server:
        begun = begins(server, way)(b"", timeout, [])
        assert refused(begun.take)[0] is grpc.StatusCode[code]


@alike
def test_what_cannot_be_written_or_read_is_an_internal_error_that_tells_nothing_of_it(
    way: Way,
) -> None:
    def refuse(_: object) -> bytes:
        raise ValueError("Anna")

    with remote(lambda request, _: request) as server:
        unwritable = begins(server, way, serialize=refuse)
        unreadable = begins(server, way, deserialize=refuse)
        endings = [
            refused(lambda: unwritable(b"", 5.0, []).take()),
            refused(lambda: unreadable(b"", 5.0, []).take()),
        ]
    for code, details, _ in endings:
        assert code is grpc.StatusCode.INTERNAL
        assert "Anna" not in str(details)


def test_this_grpcio_is_as_expected_and_does_it_in_one_batch() -> None:
    with grpc.insecure_channel("ipv4:127.0.0.1:1") as channel:
        begun = exchanges(channel, PATH, bytes, bytes)(b"", 0.0, [])
    assert isinstance(begun, exchange._Direct)
    with pytest.raises(grpc.RpcError):
        begun.take()
