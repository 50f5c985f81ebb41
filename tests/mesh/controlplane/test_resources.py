"""What is served follows from the contracts and the topology."""

from __future__ import annotations

from pathlib import Path

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3 import health_check_pb2
from envoy.config.route.v3.route_components_pb2 import Route
from envoy.extensions.clusters.aggregate.v3.cluster_pb2 import ClusterConfig
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import UpstreamTlsContext

from mesh import meaning, topology
from mesh.controlplane.resources import (
    Endpoint,
    Kind,
    UnknownServiceError,
    clusters,
    derive,
    load_assignment,
    routes,
)
from mesh.controlplane.snapshot import build
from plexus import contract
from plexus.contract import Method

STATED = topology.load(Path(__file__).parents[3] / "topology.toml")
SERVED = [
    method for method in contract.load().methods.values() if method.service in STATED.services
]


def _routes_of(service: str) -> list[Route]:
    stated = [method for method in SERVED if method.service == service]
    return list(routes(service, stated).virtual_hosts[0].routes)


@pytest.mark.parametrize("method", SERVED, ids=lambda method: method.path)
def test_a_method_is_retried_exactly_when_its_contract_calls_it_repeatable(method: Method) -> None:
    (route,) = [r for r in _routes_of(method.service) if r.match.path == method.wire_path]
    assert route.route.cluster == method.service
    assert route.route.HasField("retry_policy") == method.repeatable
    if method.repeatable:
        assert route.route.retry_policy.retry_on == "unavailable"
        assert route.route.retry_policy.num_retries.value == meaning.ATTEMPTS - 1


@pytest.mark.parametrize("service", STATED.services)
def test_what_no_contract_states_has_no_route_and_no_route_has_a_timeout(service: str) -> None:
    found = _routes_of(service)
    assert all(route.match.path or route.match.prefix == "/grpc." for route in found)
    assert not any(route.route.HasField("max_stream_duration") for route in found)
    assert not any(route.route.HasField("timeout") for route in found)


def test_the_replicas_of_a_service_are_believed_only_with_its_spiffe_id() -> None:
    for found in clusters("billing", "plexus.local")[1:]:
        tls = UpstreamTlsContext()
        assert found.transport_socket.typed_config.Unpack(tls)
        (name,) = tls.common_tls_context.validation_context.match_subject_alt_names
        assert name.exact == "spiffe://plexus.local/ns/plexus/sa/billing"


def test_replicas_are_ejected_though_there_are_only_two_and_nobody_is_when_none_is_left() -> None:
    whole, healthy, panic = clusters("billing", "plexus.local")
    order = ClusterConfig()
    assert whole.cluster_type.typed_config.Unpack(order)
    assert list(order.clusters) == [healthy.name, panic.name]
    assert healthy.outlier_detection.failure_percentage_minimum_hosts.value == 2
    assert healthy.outlier_detection.max_ejection_percent.value == 50
    assert not panic.HasField("outlier_detection")
    for found in (healthy, panic):
        assert found.lb_policy == Cluster.ROUND_ROBIN
        assert found.eds_cluster_config.service_name == "billing"
        assert found.circuit_breakers.thresholds[0].max_requests.value == meaning.MAX_REQUESTS


def test_a_draining_replica_is_still_published_as_draining() -> None:
    found = load_assignment(
        "records",
        [Endpoint("records", "127.0.0.1", 2, draining=True), Endpoint("records", "127.0.0.1", 1)],
    )
    health = {
        each.endpoint.address.socket_address.port_value: each.health_status
        for each in found.endpoints[0].lb_endpoints
    }
    assert health == {1: health_check_pb2.HEALTHY, 2: health_check_pb2.DRAINING}


def test_the_whole_topology_makes_a_consistent_snapshot() -> None:
    made = build(derive(contract.load(), STATED, [Endpoint("triage", "127.0.0.1", 1)]))
    others = set(Kind) - {Kind.CLUSTER}
    assert all(made[kind].by_name.keys() == STATED.services.keys() for kind in others)
    assert made[Kind.CLUSTER].by_name.keys() > STATED.services.keys()


def test_a_service_without_a_contract_is_refused_with_what_to_do() -> None:
    stated = topology.parse({"trust_domain": "plexus.local", "services": {"dental": {}}})
    with pytest.raises(UnknownServiceError, match="protos/plexus/dental/v1"):
        derive(contract.load(), stated, [])
