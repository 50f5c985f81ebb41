"""Lets the threads that wait for gRPC's events answer calls themselves.

grpcio has one thread that waits, and hands each call to another: a quick call takes three changes of
threads, and the interpreter is handed over at each. Here whoever hears that a request is there answers, as
gRPC's server in C++ does. One thread is always left to wait, so that a handler that takes its time, or
hangs, keeps nobody else waiting: when there is none to spare, and when the method streams, a thread of the
crew is handed the call.

That takes names which grpcio's server calls private. They are used here and in `arrivals`, nowhere else, are
looked at before, and where one of them is not as expected grpcio serves alone: see
docs/decisions/0017-who-hears-of-a-call-answers-it.md.
"""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final, TypeAlias

import grpc

from mesh.server.arrivals import Arrivals
from mesh.server.crew import Crew, Work

POLLERS: Final = 3
"""Threads that wait for events, grpcio's own among them: one more than may answer calls meanwhile."""

Handlers: TypeAlias = "Mapping[str, grpc.RpcMethodHandler[Any, Any]]"
"""By the name of the method."""

_LOOK_AGAIN: Final = 0.2
"""Seconds after which one that waits looks whether the server still serves."""

_STATE: Final = frozenset(
    {
        "lock",
        "completion_queue",
        "server",
        "stage",
        "due",
        "rpc_states",
        "active_rpc_count",
        "maximum_concurrent_rpcs",
        "interceptor_pipeline",
    }
)
_server: Any = import_module("grpc._server")
_cygrpc: Any = import_module("grpc._cython.cygrpc")


class Pollers(Crew):
    """A crew that is spared the calls which whoever hears of them can answer."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self._counting = threading.Lock()
        self._to_spare = 0

    def serve(self, server: grpc.Server, services: Mapping[str, Handlers]) -> None:
        """Start *server*, whose executor this is, with handlers of *services*, by their full names.

        What else it serves it was told before.
        """
        ours = as_expected(server)
        arrivals: list[Arrivals] = []
        for service, handlers in services.items():
            theirs = {}
            for name, handler in handlers.items():
                if ours and _is_plain(handler):
                    arrivals.append(self._arrivals(server, f"/{service}/{name}", handler))
                else:
                    theirs[name] = handler
            server.add_registered_method_handlers(service, theirs)
        server.start()
        if ours:
            self._begin(server, arrivals)

    def _arrivals(self, server: Any, method: str, handler: Any) -> Arrivals:
        server._state.server.register_method(method)
        return Arrivals(server._state, _server._ServerStage.STARTED, method, handler, self.answer)

    def _begin(self, server: Any, arrivals: list[Arrivals]) -> None:
        """Wait for events in more threads than grpcio's own."""
        for number in range(1, POLLERS):
            name = f"handler_poller_{number}"
            waiting = threading.Thread(target=self._wait, args=(server._state,), name=name)
            waiting.daemon = True
            waiting.start()
            with self._counting:
                self._to_spare += 1
        with server._state.lock:
            for each in arrivals:
                each.ask()

    def answer(self, job: Work) -> None:
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


def as_expected(server: Any) -> bool:
    """Whether this grpcio is as `Pollers` and `Arrivals` expect, and nothing stands before its handlers."""
    try:
        state, core = server._state, server._state.server
        process = list(inspect.signature(_server._process_event_and_continue).parameters)
        needed = (
            core.register_method,
            core.request_registered_call,
            state.completion_queue.poll,
            _server._ServerStage.STARTED,
            _cygrpc.CompletionType.queue_timeout,
            _cygrpc.ReceiveMessageOperation(0),
            _cygrpc.ReceiveCloseOnServerOperation(0),
            _cygrpc.SendInitialMetadataOperation((), 0),
            _cygrpc.SendMessageOperation(b"", 0),
            _cygrpc.SendStatusFromServerOperation(None, 0, b"", 0),
        )
        pipeline = state.interceptor_pipeline
    except (AttributeError, TypeError, ValueError):
        return False
    return (
        pipeline is None
        and None not in needed
        and process == ["state", "event"]
        and _STATE.issubset(vars(state))
    )


def _is_plain(handler: Any) -> bool:
    """Whether a method has one request, whose bytes the handler reads itself, and one response."""
    return (
        not handler.request_streaming
        and not handler.response_streaming
        and handler.request_deserializer is None
        and handler.response_serializer is not None
    )
