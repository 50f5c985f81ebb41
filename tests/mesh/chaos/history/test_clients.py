"""A client writes down what it was told, and finds out later what it was not told."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import grpc
import pytest

from mesh.chaos.history.calls import Call, Calls
from mesh.chaos.history.client import Client, Pace
from mesh.chaos.history.generator import Intent, intents
from mesh.chaos.history.operation import Answer, Kind, Status
from plexus.errors import PlexusError

REFUSALS = (
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.ALREADY_EXISTS,
)


class OneCall:
    """Stands for Calls: every intent is this call."""

    def __init__(self, kind: Kind, send: Callable[[], Answer]) -> None:
        self._call = Call(kind, "" if kind is Kind.GET_PATIENT else "k", "s", send)

    def of(self, intent: Intent) -> Call:
        """The call."""
        del intent
        return self._call


def _failing(*codes: grpc.StatusCode) -> Callable[[], Answer]:
    """Fails with each code in turn, and answers after that."""
    left = list(codes)

    def send() -> Answer:
        if left:
            raise PlexusError(left.pop(0))
        return Answer("s")

    return send


def _ran(kind: Kind, send: Callable[[], Answer]) -> Client:
    client = Client(0, intents(1, 0), cast(Calls, OneCall(kind, send)))
    client.start(Pace(1, 0.0, lambda: False))
    client.join()
    return client


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.value[0]])
def test_only_a_refusal_says_that_nothing_was_done(code: grpc.StatusCode) -> None:
    client = _ran(Kind.BOOK, _failing(code))
    (operation,) = client.history
    assert operation.status is (Status.FAILED if code in REFUSALS else Status.UNKNOWN)
    assert operation.reason == code.name
    assert bool(client.unsettled) == (operation.status is Status.UNKNOWN)


def test_an_unknown_write_is_sent_again_under_the_same_id_until_it_is_known() -> None:
    unavailable = grpc.StatusCode.UNAVAILABLE
    client = _ran(Kind.BOOK, _failing(unavailable, unavailable))
    assert client.resolve(patience=60.0) == 1
    assert [one.status for one in client.history] == [Status.UNKNOWN, Status.UNKNOWN, Status.OK]
    assert {one.key for one in client.history} == {"k"}
    assert client.resolve(patience=60.0) == 0


def test_an_unknown_read_is_let_go() -> None:
    client = _ran(Kind.GET_PATIENT, _failing(grpc.StatusCode.UNAVAILABLE))
    assert not client.unsettled


def test_clients_go_on_for_as_long_as_the_storm_does() -> None:
    turns = iter((True, True, False))
    pace = Pace(2, 0.0, lambda: next(turns))
    assert [pace.take() for _ in range(5)] == [True, True, True, True, False]
