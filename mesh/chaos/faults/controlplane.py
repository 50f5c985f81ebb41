"""What the control plane can do wrong: tell clients to fail or wait, or publish what they refuse."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from random import Random

import grpc

from mesh.chaos.faults.refusal import NotInjectable
from mesh.chaos.model import FaultSpec, Kind
from mesh.chaos.orders import CONTROL_PLANE, Order, await_seen, give, place, withdraw
from mesh.runtime.client import Platform
from mesh.runtime.errors import Mistake
from plexus.contract import load
from plexus.mesh.v1.registry_service_pb2 import GetMeshStatusResponse

_DELAY_MS = 1000
_PATIENCE = 5.0
_POLL = 0.05


class Published:
    """One order to the control plane, in force from `inject` to `lift`."""

    def __init__(self, platform: Platform, order: Order) -> None:
        self._platform = platform
        self._path = place(platform.home.path, CONTROL_PLANE)
        self._id = uuid.uuid4().hex
        self.order = order

    def inject(self) -> None:
        """Give the order; returns when every client has what it changes, or has refused it."""
        before = self._platform.status()
        give(self._path, self._id, self.order)
        if self.order["kind"] == "bad":
            self._await(lambda now: _refusals(now) > _refusals(before))
        else:
            self._await(lambda now: _routes(now) != _routes(before) and _is_settled(now))

    def lift(self) -> None:
        """Take it back; returns when every client has what was before."""
        if not withdraw(self._path, self._id):
            return
        await_seen()
        # Without a control plane there is nobody to tell; when it is back it finds no order.
        with suppress(Mistake, NotInjectable):
            self._await(_is_settled)

    def _await(self, holds: Callable[[GetMeshStatusResponse], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not holds(self._platform.status()):
            if time.monotonic() > deadline:
                raise NotInjectable(
                    f"no client took notice of {self.order['service']} within {_PATIENCE:g} s"
                )
            time.sleep(_POLL)


def xds_abort(spec: FaultSpec, platform: Platform, _: Random) -> Published:
    """Clients fail calls themselves, with `status` (a name, by default UNAVAILABLE), and do not retry."""
    status = grpc.StatusCode[str(spec.parameters.get("status", "UNAVAILABLE"))]
    return Published(platform, {**_what(spec), "kind": "abort", "status": status.value[0]})


def xds_delay(spec: FaultSpec, platform: Platform, _: Random) -> Published:
    """Clients hold calls up by `delay_ms` before they send them."""
    delay = spec.parameters.get("delay_ms", _DELAY_MS)
    return Published(platform, {**_what(spec), "kind": "delay", "delay_ms": delay})


def bad_snapshot(spec: FaultSpec, platform: Platform, _: Random) -> Published:
    """A `resource` of the service (cluster, endpoints, listener, routes) that gRPC refuses."""
    resource = spec.parameters.get("resource", "cluster")
    return Published(platform, {"service": spec.target, "kind": "bad", "resource": resource})


def _what(spec: FaultSpec) -> Order:
    service, dot, _ = spec.target.partition(".")
    stated = spec.target if dot else str(spec.parameters.get("method", "*"))
    method = stated if stated == "*" else load().find(stated).path
    return {"service": service, "method": method, "share": spec.parameters.get("share", 1.0)}


def _routes(status: GetMeshStatusResponse) -> str:
    return next(v.version for v in status.versions if v.type == "RouteConfiguration")


def _is_settled(status: GetMeshStatusResponse) -> bool:
    return all(version.acknowledged == version.subscribers for version in status.versions)


def _refusals(status: GetMeshStatusResponse) -> float:
    return max((nack.time.ToMilliseconds() for nack in status.nacks), default=0)


MAKERS: Mapping[Kind, Callable[[FaultSpec, Platform, Random], Published]] = {
    Kind.XDS_ABORT: xds_abort,
    Kind.XDS_DELAY: xds_delay,
    Kind.BAD_SNAPSHOT: bad_snapshot,
}
