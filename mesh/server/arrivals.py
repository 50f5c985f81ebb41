"""Calls of one request and one response, answered in as few steps as gRPC's core allows.

grpcio takes a dozen: it looks the handler up anew, makes a condition for who waits, and hands the call to
another thread, which asks for the request. Here the request is asked for when the call arrives, whoever
hears that it is there has it answered, and a response leaves in one batch.

What grpcio's server calls private is used here and in `pollers`, which looks at it first, nowhere else: see
docs/decisions/0017-who-hears-of-a-call-answers-it.md.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, NoReturn

import grpc
import structlog

from mesh.server.crew import Work
from observability.logs import cause

_cygrpc: Any = import_module("grpc._cython.cygrpc")
_log = structlog.get_logger()

_NOBODY: Final = (None, ())
"""Tells grpcio that no call has ended."""


class Aborted(Exception):
    """The handler has said how the call ends."""


class Arrivals:
    """The calls of one method of a server. It is its own tag: gRPC calls it when there is one."""

    __slots__ = ("_answer", "_method", "_started", "_state", "behaviour", "serialize")

    def __init__(
        self,
        state: Any,
        started: Any,
        method: str,
        handler: Any,
        answer: Callable[[Work], None],
    ) -> None:
        self._state = state
        self._started = started
        self._method = method
        self._answer = answer
        self.behaviour = handler.unary_unary
        self.serialize = handler.response_serializer

    def ask(self) -> None:
        """Ask for the next. The state of the server is locked."""
        state = self._state
        queue = state.completion_queue
        state.server.request_registered_call(queue, queue, self._method, self)
        state.due.add(self)

    def __call__(self, event: Any) -> Any:
        """There is one, or there will be none because the server ends."""
        state = self._state
        with state.lock:
            state.due.remove(self)
            if not event.success:
                # As if it were a call: grpcio looks whether it was the last that the server waited for.
                state.rpc_states.add(self)
                return self, ()
            most = state.maximum_concurrent_rpcs
            call = Call(self, event)
            state.rpc_states.add(call)
            full = most is not None and state.active_rpc_count >= most
            state.active_rpc_count += 1
            if state.stage is self._started:
                self.ask()
        if full:
            call.refuse()
        else:
            call.begin()
        return _NOBODY

    def answer(self, call: Call) -> None:
        """Have a call answered whose request is there."""
        self._answer(call)

    def leave(self) -> None:
        """One that was answered, or need not be, makes room for another."""
        with self._state.lock:
            self._state.active_rpc_count -= 1

    @property
    def method(self) -> str:
        """`/package.Service/Method`."""
        return self._method


class Call(grpc.ServicerContext):
    """A call, and what its handler is told of it and says of it.

    *_awaited* counts what gRPC has been asked for and has not told of yet; when there is nothing left, and
    the call was answered or called off, it has ended.
    """

    def __init__(self, arrivals: Arrivals, event: Any) -> None:
        self._arrivals = arrivals
        self._event = event
        self._call = event.call
        self._lock = threading.Lock()
        self._awaited = 0
        self._request: bytes | None = None
        self._gone = self._answered = False
        self._callbacks: list[Callable[[], Any]] | None = []
        self._initial: Any = ()
        self._trailing: Any = None
        self._code: grpc.StatusCode | None = None
        self._details = ""

    def begin(self) -> None:
        """Ask for the request, and to be told when nobody waits for the answer any more."""
        self._awaited = 2
        self._call.start_server_batch((_cygrpc.ReceiveCloseOnServerOperation(0),), self._closed)
        self._call.start_server_batch((_cygrpc.ReceiveMessageOperation(0),), self._came)

    def refuse(self) -> None:
        """Answer that there are too many."""
        self._awaited = 1
        self._call.start_server_batch((_cygrpc.ReceiveCloseOnServerOperation(0),), self._closed)
        self._end(grpc.StatusCode.RESOURCE_EXHAUSTED, "Concurrent RPC limit exceeded!")
        self._arrivals.leave()

    def run(self) -> None:
        """Answer it."""
        try:
            self._do()
        except BaseException as error:  # noqa: BLE001 - a thread outlives whatever a call does
            _log.error("handler thread", **cause(error))
            self._call.cancel()
        self._arrivals.leave()

    def _do(self) -> None:
        arrivals, request, self._request = self._arrivals, self._request, None
        try:
            response = arrivals.serialize(arrivals.behaviour(request, self))
        except Aborted:
            self._end(self._code or grpc.StatusCode.UNKNOWN, self._details)
        except Exception as error:  # noqa: BLE001 - the caller is told that it was one, and no more
            _log.error("handler", **cause(error))
            self._end(grpc.StatusCode.UNKNOWN, "")
        else:
            self._end(self._code or grpc.StatusCode.OK, self._details, response)

    def _end(self, code: grpc.StatusCode, details: str, response: bytes | None = None) -> None:
        status = _cygrpc.SendStatusFromServerOperation(
            self._trailing, code.value[0], details.encode(), 0
        )
        batch = [_cygrpc.SendInitialMetadataOperation(self._initial, 0), status]
        if response is not None:
            batch.append(_cygrpc.SendMessageOperation(response, 0))
        with self._lock:
            if self._gone:
                return
            self._call.start_server_batch(batch, self._sent)
            self._answered = True
            self._awaited += 1

    # What gRPC calls, in a thread that waits for events; it is answered with the call when that has ended.

    def _came(self, event: Any) -> Any:
        request = event.batch_operations[0].message()
        with self._lock:
            self._awaited -= 1
            if self._gone:
                self._arrivals.leave()
                return self._ended()
        if request is None:
            text = f'"{self._arrivals.method}" requires exactly one request message.'
            self._end(grpc.StatusCode.UNIMPLEMENTED, text)
            self._arrivals.leave()
        else:
            self._request = request
            self._arrivals.answer(self)
        return _NOBODY

    def _closed(self, event: Any) -> Any:
        with self._lock:
            self._awaited -= 1
            self._gone = bool(event.batch_operations[0].cancelled())
            return self._ended()

    def _sent(self, event: Any) -> Any:
        del event
        with self._lock:
            self._awaited -= 1
            return self._ended()

    def _ended(self) -> Any:
        if self._awaited or not (self._gone or self._answered):
            return _NOBODY
        callbacks, self._callbacks = self._callbacks, None
        return self, callbacks or ()

    # What handlers ask of it: see grpc.ServicerContext.

    def is_active(self) -> bool:
        return not (self._gone or self._answered)

    def time_remaining(self) -> float:
        return max(float(self._event.call_details.deadline) - time.time(), 0.0)

    def cancel(self) -> bool:
        self._call.cancel()
        return True

    def add_callback(self, callback: Callable[[], Any]) -> bool:
        with self._lock:
            if self._callbacks is None:
                return False
            self._callbacks.append(callback)
            return True

    def invocation_metadata(self) -> Any:
        return self._event.invocation_metadata

    def peer(self) -> str:
        return str(self._call.peer().decode())

    def peer_identities(self) -> Any:
        return _cygrpc.peer_identities(self._call)

    def peer_identity_key(self) -> str | None:
        key = _cygrpc.peer_identity_key(self._call)
        return None if key is None else key.decode()

    def auth_context(self) -> Any:
        held = _cygrpc.auth_context(self._call) or {}
        return {key.decode(): values for key, values in held.items()}

    def send_initial_metadata(self, initial_metadata: Any) -> None:
        # It leaves with the answer.
        self._initial = initial_metadata

    def set_trailing_metadata(self, trailing_metadata: Any) -> None:
        self._trailing = trailing_metadata

    def trailing_metadata(self) -> Any:
        return self._trailing

    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        self._code, self._details = code, details
        if code is grpc.StatusCode.OK:
            self._code = grpc.StatusCode.UNKNOWN
        raise Aborted

    def abort_with_status(self, status: Any) -> NoReturn:
        self._trailing = status.trailing_metadata
        self.abort(status.code, status.details)

    def set_code(self, code: grpc.StatusCode) -> None:
        self._code = code

    def code(self) -> grpc.StatusCode | None:
        return self._code

    def set_details(self, details: str) -> None:
        self._details = details

    def details(self) -> str:
        return self._details

    def disable_next_message_compression(self) -> None:
        """Nothing is compressed."""
