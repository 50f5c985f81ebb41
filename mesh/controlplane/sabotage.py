"""Spoils what is served, on the orders of a chaos run. Imported only with PLEXUS_CHAOS=1.

Orders: `kind` (`abort`, `delay`, `bad`) and `service`. Abort and delay make clients fail or hold up
calls themselves, by Envoy's HTTP fault filter (gRFC A33): `method` (`package.Service/Method` or `*`),
`share` of the calls (0 to 1), `status` (a gRPC code), `delay_ms`. Bad publishes a resource that gRPC
refuses: `resource` is one of `BAD`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
    HttpFilter,
)
from envoy.type.v3.percent_pb2 import FractionalPercent
from google.protobuf.message import Message

from mesh.chaos.orders import Order
from mesh.controlplane.resources import Kind

Messages = Mapping[Kind, Mapping[str, Message]]

_FILTER: Final = "fault"
_MILLION: Final = 1_000_000


def spoil(messages: Messages, orders: Iterable[Order]) -> Messages:
    """*messages* as *orders* want them; what they do not mention is the same object as before."""
    spoiled = {kind: dict(named) for kind, named in messages.items()}
    for order in orders:
        service = str(order["service"])
        if service not in spoiled[Kind.LISTENER]:
            continue
        if order["kind"] == "bad":
            kind, make_bad = BAD[str(order.get("resource", "cluster"))]
            spoiled[kind][service] = _changed(spoiled[kind][service], make_bad)
            continue
        for kind, change in ((Kind.LISTENER, _filtered), (Kind.ROUTES, _faulty(order))):
            spoiled[kind][service] = _changed(spoiled[kind][service], change)
    return spoiled


def _changed(message: Message, change: Callable[[Any], None]) -> Message:
    copy = type(message)()
    copy.CopyFrom(message)
    change(copy)
    return copy


def _filtered(listener: Listener) -> None:
    """Let the listener have the fault filter; its routes say what it does."""
    manager = HttpConnectionManager()
    listener.api_listener.api_listener.Unpack(manager)
    if any(found.name == _FILTER for found in manager.http_filters):
        return
    added = HttpFilter(name=_FILTER)
    added.typed_config.Pack(HTTPFault())
    # The router ends the chain: what comes after it is never reached.
    others = list(manager.http_filters)
    del manager.http_filters[:]
    manager.http_filters.extend([added, *others])
    listener.api_listener.api_listener.Pack(manager, deterministic=True)


def _faulty(order: Order) -> Callable[[RouteConfiguration], None]:
    meant = str(order.get("method", "*"))

    def change(routes: RouteConfiguration) -> None:
        for host in routes.virtual_hosts:
            for route in host.routes:
                if meant in ("*", route.match.path.lstrip("/")):
                    fault = HTTPFault()
                    packed = route.typed_per_filter_config[_FILTER]
                    packed.Unpack(fault)
                    _add(fault, order)
                    packed.Pack(fault, deterministic=True)

    return change


def _add(fault: HTTPFault, order: Order) -> None:
    share = FractionalPercent(
        numerator=round(float(order.get("share", 1.0)) * _MILLION),
        denominator=FractionalPercent.MILLION,
    )
    if order["kind"] == "abort":
        fault.abort.grpc_status = int(order.get("status", 14))
        fault.abort.percentage.CopyFrom(share)
    else:
        fault.delay.fixed_delay.FromMilliseconds(int(order["delay_ms"]))
        fault.delay.percentage.CopyFrom(share)


def _balance_by_requests(cluster: Cluster) -> None:
    # gRPC's C-core has no such policy and refuses the cluster.
    cluster.lb_policy = Cluster.LEAST_REQUEST


def _leave_out_first_priority(assignment: ClusterLoadAssignment) -> None:
    for locality in assignment.endpoints:
        locality.priority = 1


def _listen_nowhere(listener: Listener) -> None:
    listener.ClearField("api_listener")


def _match_nonsense(routes: RouteConfiguration) -> None:
    for host in routes.virtual_hosts:
        for route in host.routes:
            route.match.safe_regex.regex = "(["


BAD: Final[Mapping[str, tuple[Kind, Callable[[Any], None]]]] = {
    "cluster": (Kind.CLUSTER, _balance_by_requests),
    "endpoints": (Kind.LOAD_ASSIGNMENT, _leave_out_first_priority),
    "listener": (Kind.LISTENER, _listen_nowhere),
    "routes": (Kind.ROUTES, _match_nonsense),
}
