"""A servicer inside the stack, to be called with messages: what unit tests of services call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, NoReturn

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from prometheus_client import CollectorRegistry

from mesh.server.handlers import behaviour
from mesh.server.incoming import Parts
from observability.metrics import CallMetrics
from plexus.contract import Method, load

EVERYTHING = "edge"


class _Anybody(SimpleNamespace):
    subject: str
    scopes: frozenset[str]


def wrap(servicer: object, descriptor: ServiceDescriptor, caller: str = EVERYTHING) -> Any:
    """*servicer*, each method of which goes through the whole stack but the transport.

    *caller* is the workload that calls; as `edge` it has every scope.
    """
    contract = load()
    parts = Parts(
        contract=contract,
        metrics=CallMetrics(CollectorRegistry()),
        identify=lambda _: caller,
        verify=lambda _: _Anybody(subject="test", scopes=contract.scopes),
    )
    wrapped = SimpleNamespace()
    for method in descriptor.methods:
        stated = contract.method(f"{descriptor.full_name}/{method.name}")
        setattr(
            wrapped,
            method.name,
            _with_messages(behaviour(stated, getattr(servicer, method.name), parts), stated),
        )
    return wrapped


def _with_messages(serve: Any, stated: Method) -> Any:
    def call(request: Any, context: Any) -> Any:
        raw = _raws(request) if stated.client_streaming else request.SerializeToString()
        try:
            return serve(raw, _Bearing(context))
        except _Aborted:
            return None

    def stream(request: Any, context: Any) -> Iterator[Any]:
        with suppress(_Aborted):
            yield from serve(request.SerializeToString(), _Bearing(context))

    return stream if stated.server_streaming else call


def _raws(requests: Iterable[Any]) -> Iterable[bytes]:
    return (request.SerializeToString() for request in requests)


class _Aborted(Exception):
    """The call has its status."""


class _Bearing:
    """A context whose caller sends a token. Its `abort` keeps the trailing metadata, as gRPC does and
    grpcio-testing does not."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return (*(self._context.invocation_metadata() or ()), ("authorization", "Bearer test"))

    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        self._context.set_code(code)
        self._context.set_details(details)
        raise _Aborted
