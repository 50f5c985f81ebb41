"""The channel that generated stubs are built on: `RecordsServiceStub(channel(target, credentials))`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import grpc
from grpc.experimental import ChannelOptions

from plexus.client.breaker import Breaker, BreakerView
from plexus.client.counts import CountsView
from plexus.client.exchange import Begin, exchanges
from plexus.client.hedge import Hedging
from plexus.client.inbound import inbound
from plexus.client.outgoing import Layer, Outgoing, Parts, Send
from plexus.client.stack import STREAM, UNARY, compose
from plexus.client.tuning import Tuning
from plexus.client.turns import Turns
from plexus.contract import Contract, Method, load
from plexus.errors import from_rpc

MAX_MESSAGE_BYTES = 16 * 1024 * 1024

OPTIONS: Sequence[tuple[str, Any]] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # A replica that hangs is known for it within two seconds; one on a busy machine has most of one to
    # answer a ping.
    ("grpc.keepalive_time_ms", 1_000),
    ("grpc.keepalive_timeout_ms", 800),
    # Keepalive alone does not notice a hung peer; this does.
    ("grpc.http2.ping_timeout_ms", 800),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    # A stream is read by its caller's thread, and needs no other.
    (ChannelOptions.SingleThreadedUnaryStream, 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Whatever its name says: how long an attempt to connect may take, with its handshake. Where the
    # replica that is left is busy with the work of two, attempts cut short are all that it does.
    ("grpc.min_reconnect_backoff_ms", 1_000),
)


class Unary:
    """One method that answers once. Calling it makes the call, through the stack."""

    __slots__ = ("_send", "path")

    def __init__(self, method: Method, send: Send) -> None:
        self.path = method.path
        self._send = send

    def __call__(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Iterable[tuple[str, str | bytes]] | None = None,
    ) -> Any:
        """Return the response, or raise PlexusError. *timeout* in seconds only ever shortens."""
        return self._send(Outgoing(request, timeout, list(metadata or ()), inbound()))


class Stream(Unary):
    """One method that answers with a stream: iterate over what a call returns."""

    __slots__ = ()

    def __call__(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Iterable[tuple[str, str | bytes]] | None = None,
    ) -> Iterator[Any]:
        """Return the responses as they come; iterating raises PlexusError."""
        out = Outgoing(request, timeout, list(metadata or ()), inbound())
        return Responses(self._send(out), out)


class Responses(Iterator[Any]):
    """Responses as they come. `cancel()` ends the stream, from any thread."""

    def __init__(self, responses: Iterator[Any], out: Outgoing) -> None:
        self._responses = responses
        self._out = out
        self._cancelled = False

    def __next__(self) -> Any:
        if self._cancelled and self._out.call is None:
            raise StopIteration
        try:
            return next(self._responses)
        except grpc.RpcError as error:
            raise from_rpc(error) from None

    def cancel(self) -> None:
        """End the stream: the next response is Cancelled, or the end when it had not begun."""
        self._cancelled = True
        if self._out.call is not None:
            self._out.call.cancel()


class Channel(grpc.Channel):
    """A gRPC channel whose calls go through the client stack."""

    def __init__(self, channel: grpc.Channel, parts: Parts, contract: Contract) -> None:
        self._channel = channel
        self._parts = parts
        self._contract = contract
        self._hedging = Hedging(parts.tuning)

    def breakers(self) -> list[BreakerView]:
        """Every breaker of the channel, by method."""
        found: Mapping[str, Breaker] = self._parts.breakers
        return [found[path].view() for path in sorted(found)]

    def counts(self) -> list[CountsView]:
        """What the calls of each method came to, by method."""
        return [CountsView.of(*found) for found in sorted(self._parts.counts.items())]

    def unary_unary(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool = False,
    ) -> Any:
        """A callable for a method with one request and one response."""
        stated = self._method(method)
        begin = exchanges(self._channel, method, request_serializer, response_deserializer)
        send = _once(begin)
        if stated.repeatable and self._parts.tuning.hedge_rivals:
            send = self._hedging.hedged(stated, begin, self._parts.counts_of(stated))
        return Unary(stated, compose(UNARY, stated, self._parts, send))

    def stream_unary(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool = False,
    ) -> Any:
        """A callable for a method with a stream of requests and one response."""
        raw = self._raw("stream_unary", method, request_serializer, response_deserializer)
        return Unary(self._method(method), self._compose(UNARY, method, raw))

    def unary_stream(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool = False,
    ) -> Any:
        """A callable for a method with one request and a stream of responses."""
        raw = self._raw("unary_stream", method, request_serializer, response_deserializer)
        return Stream(self._method(method), self._compose(STREAM, method, raw))

    def stream_stream(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool = False,
    ) -> Any:
        """A callable for a method with streams both ways."""
        raw = self._raw("stream_stream", method, request_serializer, response_deserializer)
        return Stream(self._method(method), self._compose(STREAM, method, raw))

    def subscribe(self, callback: Any, try_to_connect: bool = False) -> None:
        """Tell *callback* of the channel's connectivity."""
        self._channel.subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Any) -> None:
        """Tell *callback* no more."""
        self._channel.unsubscribe(callback)

    def close(self) -> None:
        """Close the channel and cancel its calls."""
        self._hedging.close()
        self._channel.close()

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *exception: object) -> bool | None:
        self.close()
        return None

    def _method(self, path: str) -> Method:
        return self._contract.method(path)

    def _raw(self, kind: str, path: str, serialize: Any, deserialize: Any) -> Any:
        make = getattr(self._channel, kind)
        return make(
            path,
            request_serializer=serialize,
            response_deserializer=deserialize,
            _registered_method=True,
        )

    def _compose(self, layers: Sequence[Layer], path: str, raw: Any) -> Send:
        return compose(layers, self._method(path), self._parts, _plainly(raw))


def _once(begin: Begin) -> Send:
    def send(out: Outgoing) -> Any:
        return begin(out.request, out.timeout, out.metadata).take()

    return send


def _plainly(raw: Any) -> Send:
    def send(out: Outgoing) -> Any:
        out.call = raw(out.request, timeout=out.timeout, metadata=out.metadata)
        return out.call

    return send


def channel(
    target: str,
    credentials: grpc.ChannelCredentials | None = None,
    *,
    token: Callable[[], str] | None = None,
    tuning: Tuning | None = None,
    enforce: bool = False,
    contract: Contract | None = None,
    options: Iterable[tuple[str, Any]] = (),
) -> Channel:
    """Open a channel to *target*, such as `xds:///records` or `api.example.org:443`.

    *token* gives the access token of a caller outside the mesh. *enforce* refuses calls that the work
    in progress does not declare; the mesh sets it for services. Without *credentials* the channel is
    plaintext, which no service of the mesh accepts.
    """
    contract = contract or load()
    tuning = tuning or Tuning()
    places = Turns(tuning.bulkhead) if tuning.bulkhead else None
    parts = Parts(tuning=tuning, token=token, enforce=enforce, breakers={}, places=places)
    # The first of two equal options counts.
    chosen = [*options, *OPTIONS]
    if not target.startswith("xds:"):
        chosen.append(("grpc.service_config", service_config(contract, tuning)))
    raw = (
        grpc.secure_channel(target, credentials, options=chosen)
        if credentials
        else grpc.insecure_channel(target, options=chosen)
    )
    return Channel(raw, parts, contract)


def service_config(contract: Contract, tuning: Tuning) -> str:
    """Retries for a target outside xDS: on UNAVAILABLE, only what the contract calls repeatable."""
    names = [
        {"service": path.split("/")[0], "method": method.name}
        for path, method in contract.methods.items()
        if method.repeatable and not method.client_streaming
    ]
    policy = {
        "maxAttempts": tuning.attempts,
        "initialBackoff": "0.025s",
        "maxBackoff": "0.25s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    budget = {"maxTokens": 100, "tokenRatio": 0.1}
    config = {"methodConfig": [{"name": names, "retryPolicy": policy}], "retryThrottling": budget}
    return json.dumps(config)
