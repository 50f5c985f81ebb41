"""Lets the threads that wait for gRPC's events answer calls themselves.

grpcio has one thread that waits, and hands each call to another, which asks for the request and waits
for the first to say that it is there: a quick call takes three changes of threads, and the interpreter
is handed over at each. Here the request is asked for when the call arrives, and whoever hears that it is
there answers, as gRPC's server in C++ does. One thread is always left to wait, so that a handler that
takes its time, or hangs, keeps nobody else waiting: when there is none to spare, and when the method
streams, a thread of the crew is handed the call as before.

That takes names which grpcio calls private. They are used in this module and nowhere else, are looked
at once in each process, and where one of them is not as expected a plain `Crew` takes its place: see
docs/decisions/0017-who-hears-of-a-call-answers-it.md.
"""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, Final

import grpc

from mesh.server.crew import Crew, Job

POLLERS: Final = 3
"""Threads that wait for events, grpcio's own among them: one more than may answer calls meanwhile."""

_LOOK_AGAIN: Final = 0.2
"""Seconds after which one that waits looks whether the server still serves."""

_EXPECTED: Final = {
    "_unary_request": ["rpc_event", "state", "request_deserializer"],
    "_unary_response_in_pool": [
        "rpc_event",
        "state",
        "behavior",
        "argument_thunk",
        "request_deserializer",
        "response_serializer",
    ],
    "_call_behavior": [
        "rpc_event",
        "state",
        "behavior",
        "argument",
        "request_deserializer",
        "send_response_callback",
    ],
    "_Context": ["rpc_event", "state", "request_deserializer"],
    "_serialize_response": ["rpc_event", "state", "response", "response_serializer"],
    "_status": ["rpc_event", "state", "serialized_response"],
    "_possibly_finish_call": ["state", "token"],
    "_process_event_and_continue": ["state", "event"],
}
_server: Any = import_module("grpc._server")
_cygrpc: Any = import_module("grpc._cython.cygrpc")


def crew(most: int) -> Crew:
    """What answers the calls of a `grpc.server`, in *most* threads and those that `start` starts."""
    return Pollers(most) if as_expected() else Crew(most)


def start(server: grpc.Server, hands: Crew) -> None:
    """Start *server*, whose executor is *hands*."""
    server.start()
    if isinstance(hands, Pollers):
        hands.wait_for(server)


@cache
def as_expected() -> bool:
    """Whether this grpcio is as `Pollers` expects."""
    try:
        told = {
            name: list(inspect.signature(getattr(_server, name)).parameters) for name in _EXPECTED
        }
        state, batch = _server._RPCState(), _cygrpc.ReceiveMessageOperation(0)
        token, stage = _server._RECEIVE_MESSAGE_TOKEN, _server._ServerStage.STARTED
        ask = _server._unary_request(None, None, None)
    except (AttributeError, TypeError, ValueError):
        return False
    return (
        _of_one_request(ask, None)
        and told == _EXPECTED
        and None not in (state.condition, state.due, batch, token, stage)
    )


class Pollers(Crew):
    """A crew that is spared the calls which whoever hears of them can answer."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self._unary = _server._unary_response_in_pool
        self._counting = threading.Lock()
        self._to_spare = 0

    def submit(self, work: Callable[..., Any], /, *arguments: Any) -> Job:
        """Have `work(*arguments)` done; when it answers a call of one request, as soon as that is there."""
        if arguments[:1] != (self._unary,) or not _of_one_request(*arguments[4:6]):
            return super().submit(work, *arguments)
        call = _Call(self, work, arguments)
        call.ask()
        return call

    def wait_for(self, server: Any) -> None:
        """Wait for the events of *server*, which has been started, in more threads than its own."""
        for number in range(1, POLLERS):
            name = f"handler_poller_{number}"
            waiting = threading.Thread(target=self._wait, args=(server._state,), name=name)
            waiting.daemon = True
            waiting.start()
            with self._counting:
                self._to_spare += 1

    def answer(self, job: Job) -> None:
        """Do *job* in this thread, which waits for events, if another is left to wait for them."""
        if not self._spared():
            self.give(job)
            return
        # A job ends without an error, whatever it does.
        job.run()
        with self._counting:
            self._to_spare += 1

    def _spared(self) -> bool:
        """Whether this thread need not wait for events, because another will."""
        with self._counting:
            if not self._to_spare:
                return False
            self._to_spare -= 1
            return True

    def _wait(self, state: Any) -> None:
        """What grpcio's own thread does, until the server is stopped and this one can be spared."""
        poll, process = state.completion_queue.poll, _server._process_event_and_continue
        nothing, started = _cygrpc.CompletionType.queue_timeout, _server._ServerStage.STARTED
        while state.stage is started or not self._spared():
            event = poll(time.time() + _LOOK_AGAIN)
            if event.completion_type != nothing and not process(state, event):
                return
            # An event that is held while the next is waited for holds its call.
            event = None


def _of_one_request(ask: Any, deserialize: Any) -> bool:
    """Whether a call has one request, whose bytes the handler reads itself."""
    return deserialize is None and ask.__name__ == "unary_request"


class _Call(Job):
    """A call whose request has been asked for. It is its own tag: gRPC calls it when that is there."""

    __slots__ = ("_crew", "_event", "_request", "_state")

    def __init__(self, hands: Pollers, work: Any, arguments: tuple[Any, ...]) -> None:
        super().__init__(work, arguments)
        self._crew = hands
        self._event, self._state = arguments[1:3]
        self._request: bytes | None = None

    def ask(self) -> None:
        """Ask for the request. gRPC has locked the state of the call: it is about to hand it on."""
        self._event.call.start_server_batch((_cygrpc.ReceiveMessageOperation(0),), self)
        self._state.due.add(_server._RECEIVE_MESSAGE_TOKEN)

    def __call__(self, event: Any) -> Any:
        """The request is there, or there will be none."""
        self._request = event.batch_operations[0].message()
        with self._state.condition:
            ended = _server._possibly_finish_call(self._state, _server._RECEIVE_MESSAGE_TOKEN)
        if self._request is None:
            # To find out why may take until the end of the call is heard of.
            self._crew.give(self)
        else:
            self._crew.answer(self)
        return ended

    def _do(self) -> None:
        unary, event, state, behaviour, ask, deserialize, serialize = self._arguments
        request = self._request
        if request is None:
            # grpcio asks once more where there was none, and says itself what is wrong.
            self._work(unary, event, state, behaviour, ask, deserialize, serialize)
            return
        # What grpcio does with a request in a dozen steps, most of them for what is not here: hooks, and
        # contexts of libraries.
        try:
            response = behaviour(request, _server._Context(event, state, deserialize))
        except Exception:  # noqa: BLE001 - grpcio says itself what it comes to
            _server._call_behavior(event, state, _again, request, deserialize)
            return
        serialized = _server._serialize_response(event, state, response, serialize)
        if serialized is not None:
            _server._status(event, state, serialized)


def _again(*_: object) -> None:
    """Raise what is being handled. Who kept it would keep the call, too: it knows the frames it passed."""
    raise
