"""Makes a call of one request and one response that another thread can call off while it is waited for.

grpcio offers this as a future, which wakes another thread for every call, and as a stream that is read
by its caller's thread, which takes four batches of operations and twice the time. Here it is what
grpcio's own blocking call does, one batch on a queue of its own, with the call kept at hand.

That takes names which grpcio calls private. They are used in `_direct` and nowhere else, are tried
once in each process, and where one of them is not as expected the stream takes their place: see
docs/decisions/0015-one-batch-for-a-call.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Any, Final, Protocol

import grpc

Metadata = Sequence[tuple[str, str | bytes]]
Serialize = Callable[[Any], bytes]
Deserialize = Callable[[bytes], Any]

_NOBODY: Final = "ipv4:127.0.0.1:1"
_CANCELLED: Final = grpc.StatusCode.CANCELLED.value[0]
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


class Exchange(Protocol):
    """A call under way."""

    def take(self) -> Any:
        """Wait for the response; grpc.RpcError when there is none. Once, by whoever began."""

    def cancel(self) -> object:
        """Call it off, from any thread and at any time: when it is not over, it ends CANCELLED."""


Begin = Callable[[Any, float | None, Metadata], Exchange]
"""Sends a request, with a timeout in seconds and metadata."""


class ExchangeError(grpc.RpcError):
    """How a call ended that has no response, in the words of `grpc.Call`."""

    def __init__(
        self, code: grpc.StatusCode, details: str, trailing: Any = (), debug: str = ""
    ) -> None:
        super().__init__(code, details)
        self._code = code
        self._details = details
        self._trailing = trailing
        self._debug = debug

    def code(self) -> grpc.StatusCode:
        """The gRPC status code."""
        return self._code

    def details(self) -> str:
        """What was said about it."""
        return self._details

    def trailing_metadata(self) -> Any:
        """What the service sent along, or nothing."""
        return self._trailing

    def debug_error_string(self) -> str:
        """What gRPC's core says about it."""
        return self._debug


def exchanges(
    channel: grpc.Channel, path: str, serialize: Serialize, deserialize: Deserialize
) -> Begin:
    """What begins calls of the method `/package.Service/Method` on a channel of grpcio's."""
    make = _direct if _works() else _streamed
    return make(channel, path, serialize, deserialize)


def _direct(
    channel: grpc.Channel, path: str, serialize: Serialize, deserialize: Deserialize
) -> Begin:
    cygrpc: Any = import_module("grpc._cython.cygrpc")
    inner: Any = channel
    call = inner._channel.segregated_call
    handle = inner._get_registered_call_handle(path)
    method = path.encode()
    census = cygrpc.build_census_context()
    propagation = cygrpc.PropagationConstants.GRPC_PROPAGATE_DEFAULTS
    send_metadata = cygrpc.SendInitialMetadataOperation
    send_message = cygrpc.SendMessageOperation
    send_close = cygrpc.SendCloseFromClientOperation(0)
    receive_metadata = cygrpc.ReceiveInitialMetadataOperation
    receive_message = cygrpc.ReceiveMessageOperation
    receive_status = cygrpc.ReceiveStatusOnClientOperation
    now = time.time

    def begin(request: Any, timeout: float | None, metadata: Metadata) -> Exchange:
        try:
            sent = serialize(request)
        except Exception:  # noqa: BLE001 - as grpcio does; its text may hold anything
            raise _broken("Exception serializing request!") from None
        message, status = receive_message(0), receive_status(0)
        batch = (
            send_metadata(metadata, 0),
            send_message(sent, 0),
            send_close,
            receive_metadata(0),
            message,
            status,
        )
        deadline = None if timeout is None else now() + timeout
        begun = call(
            propagation, method, None, deadline, None, None, ((batch, None),), census, handle
        )
        return _Direct(channel, begun, message, status, deserialize)

    return begin


class _Direct:
    __slots__ = ("_call", "_channel", "_deserialize", "_message", "_status")

    def __init__(
        self,
        channel: grpc.Channel,
        call: Any,
        message: Any,
        status: Any,
        deserialize: Deserialize,
    ) -> None:
        # grpcio closes a channel that nobody holds.
        self._channel = channel
        self._call = call
        self._message = message
        self._status = status
        self._deserialize = deserialize

    def take(self) -> Any:
        self._call.next_event()
        if self._status.code():
            raise _failure(self._status)
        try:
            return self._deserialize(self._message.message())
        except Exception:  # noqa: BLE001 - as grpcio does; its text may hold anything
            raise _broken("Exception deserializing response!") from None

    def cancel(self) -> None:
        self._call.cancel(_CANCELLED, "Locally cancelled by application!")


def _failure(status: Any) -> ExchangeError:
    number, details = status.code(), status.details()
    text = details.decode("utf-8", "replace") if isinstance(details, bytes) else details
    code = _CODES.get(number)
    if code is None:
        code, text = grpc.StatusCode.UNKNOWN, f"unknown code {number}: {text}"
    debug = status.error_string()
    return ExchangeError(code, text, status.trailing_metadata(), str(debug or ""))


def _broken(details: str) -> ExchangeError:
    return ExchangeError(grpc.StatusCode.INTERNAL, details)


def _streamed(
    channel: grpc.Channel, path: str, serialize: Serialize, deserialize: Deserialize
) -> Begin:
    made: Any = channel
    begin = made.unary_stream(
        path,
        request_serializer=serialize,
        response_deserializer=deserialize,
        _registered_method=True,
    )

    def send(request: Any, timeout: float | None, metadata: Metadata) -> Exchange:
        return _Streamed(channel, begin(request, timeout=timeout, metadata=metadata))

    return send


class _Streamed:
    __slots__ = ("_channel", "_stream", "cancel")

    def __init__(self, channel: grpc.Channel, stream: Any) -> None:
        self._channel = channel
        self._stream = stream
        self.cancel: Callable[[], object] = stream.cancel

    def take(self) -> Any:
        response = next(self._stream, None)
        for _ in self._stream:
            # The status comes after the response; a unary method has nothing in between.
            break
        if response is None:
            raise _broken("Exception deserializing response!")
        return response


@cache
def _works() -> bool:
    """Whether this grpcio is as `_direct` expects: tried by a call without time, which nobody sees."""
    with grpc.insecure_channel(_NOBODY) as channel:
        try:
            begun = _direct(channel, "/plexus/Trial", bytes, bytes)(b"", 0.0, [])
            begun.cancel()
            begun.take()
        except ExchangeError as error:
            # However it ended, what it ended with was told.
            return error.code() is not grpc.StatusCode.INTERNAL
        except (AttributeError, ImportError, TypeError, ValueError):
            return False
    return False
