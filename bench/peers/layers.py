"""Both stacks with one of their layers left out, to find out what it costs.

Layers are found in the stacks themselves, so what is added to them is measured too. Each end composes
its stack once for every variant, and a word chooses among them: no variant pays for the others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import grpc
from google.protobuf.descriptor import ServiceDescriptor

import mesh.server.stack
from bench.peers.charts import PATH, charts
from mesh import host
from mesh.server import Parts, handlers
from plexus.client import Channel, Tuning
from plexus.contract import load
from plexus.records.v1.records_service_pb2 import GetChartRequest
from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub

EVERYTHING: Final = "everything"
NO_LAYERS: Final = "no layers"
BARE: Final = "bare"
HEDGE: Final = "hedge"

# Without it there is no request to answer; grpcio's own reading takes as long.
_NEEDED: Final = frozenset({"parse"})

_client: Any = sys.modules["plexus.client.channel"]
_server: Any = mesh.server.stack


class ServerSwitch:
    """Stands in for `mesh.server.handlers`; `choose` says what GetChart goes through from now on."""

    def __init__(self) -> None:
        self.layers: list[str] = []
        self._behaviours: dict[str, Any] = {}
        self._chosen: Any = None

    def handlers(self, descriptor: ServiceDescriptor, servicer: object, parts: Parts) -> Any:
        """Handlers as they are, but for GetChart."""
        made = handlers(descriptor, servicer, parts)
        name = PATH.rpartition("/")[2]
        if f"{descriptor.full_name}/{name}" != PATH:
            return made
        self.layers = _in_effect(_server.STACK, parts)
        for variant in (EVERYTHING, NO_LAYERS, *self.layers):
            with composed(_server, "STACK", variant):
                self._behaviours[variant] = handlers(descriptor, servicer, parts)[name].unary_unary
        self._behaviours[BARE] = _bare()
        self.choose(EVERYTHING)
        made[name] = grpc.unary_unary_rpc_method_handler(
            lambda raw, context: self._chosen(raw, context),
            response_serializer=made[name].response_serializer,
        )
        return made

    def choose(self, variant: str) -> None:
        """`everything`, `no layers`, `bare`, or the name of a layer to do without."""
        self._chosen = self._behaviours[variant]


class ClientSwitch:
    """A stub for each variant, each on a channel of its own, made by *fresh*."""

    def __init__(self, fresh: Callable[[], Channel]) -> None:
        whole: Any = fresh()
        self.layers = [*_in_effect(_client.UNARY, whole._parts), HEDGE]
        self._stubs: dict[str, Any] = {EVERYTHING: _stub(whole)}
        for layer in self.layers[:-1]:
            with composed(_client, "UNARY", layer):
                self._stubs[layer] = _stub(fresh())
        with _without_hedge():
            self._stubs[HEDGE] = _stub(fresh())
            with composed(_client, "UNARY", NO_LAYERS):
                self._stubs[NO_LAYERS] = _stub(fresh())
        bare = grpc.secure_channel("xds:///records", grpc.xds_channel_credentials())
        self._stubs[BARE] = _stub(bare)

    def stub(self, variant: str) -> Any:
        """The stub of a variant, named as at the server, or `hedge`."""
        return self._stubs[variant]


def _stub(channel: Any) -> Any:
    make: Callable[[Any], Any] = RecordsServiceStub
    return make(channel)


def _in_effect(stack: Sequence[Any], parts: Any) -> list[str]:
    """The layers that do something for the method: others hand back what they are given."""
    method = load().method(PATH)

    def proceed(_: Any) -> None:
        """Stands for the rest."""

    return [
        layer.__name__
        for layer in stack
        if layer.__name__ not in _NEEDED and layer(method, parts, proceed) is not proceed
    ]


@contextmanager
def composed(module: Any, name: str, variant: str) -> Iterator[None]:
    """Let stacks be composed without the layer *variant*, or of what is needed only."""
    whole = getattr(module, name)
    kept = tuple(
        layer
        for layer in whole
        if layer.__name__ in _NEEDED
        or variant == EVERYTHING
        or (variant != NO_LAYERS and layer.__name__ != variant)
    )
    setattr(module, name, kept)
    try:
        yield
    finally:
        setattr(module, name, whole)


@contextmanager
def _without_hedge() -> Iterator[None]:
    """Let `mesh.host` open channels that do not hedge."""
    module: Any = host
    opened = module.channel

    def plain(*arguments: Any, tuning: Tuning, **further: Any) -> Any:
        return opened(*arguments, tuning=replace(tuning, hedge_rivals=0), **further)

    module.channel = plain
    try:
        yield
    finally:
        module.channel = opened


def _bare() -> Any:
    """GetChart as grpcio alone would have it."""
    ready = charts()

    def get_chart(raw: bytes, context: grpc.ServicerContext) -> Any:
        del context
        return ready[GetChartRequest.FromString(raw).patient_id]

    return get_chart
