"""Contract, topology and endpoints, said in xDS.

Only what C-core's client honours is said. No timeout is: it limits a route's calls seconds too
early (grpc#34547), so the deadline is the client stack's matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from envoy.config.cluster.v3 import circuit_breaker_pb2, cluster_pb2, outlier_detection_pb2
from envoy.config.core.v3 import base_pb2, config_source_pb2, health_check_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from envoy.config.listener.v3 import api_listener_pb2, listener_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.clusters.aggregate.v3 import cluster_pb2 as aggregate_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, tls_pb2
from envoy.type.matcher.v3 import string_pb2
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import UInt32Value

from mesh import meaning
from mesh.identity.spiffe import spiffe_id
from mesh.topology import Topology
from plexus.contract import Contract, Method

# The name of the certificate provider in every workload's bootstrap.
_CERTIFICATES = "mesh"
# Health, reflection, channelz: every server has them and no contract states them.
_GRPC_OWN = "/grpc."


class Kind(Enum):
    """The resource types, in the order in which a change is pushed: what is named comes first."""

    CLUSTER = "envoy.config.cluster.v3.Cluster"
    LOAD_ASSIGNMENT = "envoy.config.endpoint.v3.ClusterLoadAssignment"
    LISTENER = "envoy.config.listener.v3.Listener"
    ROUTES = "envoy.config.route.v3.RouteConfiguration"

    @property
    def type_url(self) -> str:
        """The type as xDS names it."""
        return f"type.googleapis.com/{self.value}"

    @property
    def label(self) -> str:
        """The type as people name it, such as `Cluster`."""
        return self.value.rpartition(".")[2]


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """One replica's address. *draining*: it finishes what it has and gets nothing new."""

    service: str
    host: str
    port: int
    draining: bool = False


class UnknownServiceError(Exception):
    """The topology names a service that no contract describes."""


def derive(
    contract: Contract, topology: Topology, endpoints: Iterable[Endpoint]
) -> Mapping[Kind, Mapping[str, Message]]:
    """Every resource, by kind and name; UnknownServiceError."""
    by_service: dict[str, list[Endpoint]] = {name: [] for name in topology.services}
    for endpoint in endpoints:
        by_service.setdefault(endpoint.service, []).append(endpoint)
    names = sorted(topology.services)
    return {
        Kind.CLUSTER: {
            made.name: made for name in names for made in clusters(name, topology.trust_domain)
        },
        Kind.LOAD_ASSIGNMENT: {name: load_assignment(name, by_service[name]) for name in names},
        Kind.LISTENER: {name: listener(name) for name in names},
        Kind.ROUTES: {name: routes(name, _methods(contract, name)) for name in names},
    }


def listener(name: str) -> listener_pb2.Listener:
    """What `xds:///<name>` resolves to."""
    router = hcm_pb2.HttpFilter(name="router", typed_config=_pack(router_pb2.Router()))
    connection = hcm_pb2.HttpConnectionManager(
        rds=hcm_pb2.Rds(config_source=_ads(), route_config_name=name), http_filters=[router]
    )
    return listener_pb2.Listener(
        name=name, api_listener=api_listener_pb2.ApiListener(api_listener=_pack(connection))
    )


def routes(name: str, methods: Iterable[Method]) -> route_pb2.RouteConfiguration:
    """One route for each method. There is no default: what no contract states goes nowhere."""
    stated = [_route(name, method) for method in methods]
    own = route_components_pb2.Route(
        match=route_components_pb2.RouteMatch(prefix=_GRPC_OWN),
        route=route_components_pb2.RouteAction(cluster=name),
    )
    host = route_components_pb2.VirtualHost(name=name, domains=["*"], routes=[*stated, own])
    return route_pb2.RouteConfiguration(name=name, virtual_hosts=[host])


def clusters(name: str, trust_domain: str) -> tuple[cluster_pb2.Cluster, ...]:
    """What calls of a service go to: those of its replicas that are thought well, else all of them.

    gRPC counts refusals as failures (gRFC A50), so that a replica may be ejected that is well, and has
    no panic mode: when the others die, calls would fail until the ejection ends. The second cluster is
    that mode: the same replicas and nobody ejected, used while the first has nobody (gRFC A37).
    """
    healthy, panic = f"{name}/healthy", f"{name}/panic"
    whole = cluster_pb2.Cluster(
        name=name,
        cluster_type=cluster_pb2.Cluster.CustomClusterType(
            name="envoy.clusters.aggregate",
            typed_config=_pack(aggregate_pb2.ClusterConfig(clusters=[healthy, panic])),
        ),
        # gRPC knows no CLUSTER_PROVIDED here, and takes of an aggregate nothing but its order.
        lb_policy=cluster_pb2.Cluster.ROUND_ROBIN,
    )
    ejecting = replica_cluster(healthy, name, trust_domain)
    ejecting.outlier_detection.CopyFrom(_outlier_detection())
    return whole, ejecting, replica_cluster(panic, name, trust_domain)


def replica_cluster(name: str, service: str, trust_domain: str) -> cluster_pb2.Cluster:
    """The replicas of *service*: balanced, bounded, and who they must prove to be."""
    return cluster_pb2.Cluster(
        name=name,
        type=cluster_pb2.Cluster.EDS,
        lb_policy=cluster_pb2.Cluster.ROUND_ROBIN,
        eds_cluster_config=cluster_pb2.Cluster.EdsClusterConfig(
            eds_config=_ads(), service_name=service
        ),
        circuit_breakers=circuit_breaker_pb2.CircuitBreakers(
            thresholds=[
                circuit_breaker_pb2.CircuitBreakers.Thresholds(
                    max_requests=UInt32Value(value=meaning.MAX_REQUESTS)
                )
            ]
        ),
        transport_socket=base_pb2.TransportSocket(
            name="envoy.transport_sockets.tls",
            typed_config=_pack(_mutual_tls(spiffe_id(trust_domain, service))),
        ),
    )


def load_assignment(name: str, endpoints: Iterable[Endpoint]) -> endpoint_pb2.ClusterLoadAssignment:
    """Where the replicas are."""
    return endpoint_pb2.ClusterLoadAssignment(
        cluster_name=name,
        endpoints=[
            endpoint_components_pb2.LocalityLbEndpoints(
                locality=base_pb2.Locality(zone="local"),
                load_balancing_weight=UInt32Value(value=1),
                lb_endpoints=[_lb_endpoint(endpoint) for endpoint in sorted(endpoints)],
            )
        ],
    )


def _methods(contract: Contract, workload: str) -> list[Method]:
    if workload not in contract.workloads:
        raise UnknownServiceError(
            f"the topology runs {workload}, and no contract describes it: "
            f"add protos/plexus/{workload}/v1, or take the line out"
        )
    return [method for service in contract.workloads[workload] for method in service.methods]


def _route(cluster_name: str, method: Method) -> route_components_pb2.Route:
    action = route_components_pb2.RouteAction(cluster=cluster_name)
    if method.repeatable:
        action.retry_policy.CopyFrom(_retry_policy())
    return route_components_pb2.Route(
        name=method.path,
        match=route_components_pb2.RouteMatch(path=method.wire_path),
        route=action,
    )


def _retry_policy() -> route_components_pb2.RetryPolicy:
    return route_components_pb2.RetryPolicy(
        retry_on="unavailable",
        num_retries=UInt32Value(value=meaning.ATTEMPTS - 1),
        retry_back_off=route_components_pb2.RetryPolicy.RetryBackOff(
            base_interval=_duration(meaning.RETRY_BACKOFF_FIRST),
            max_interval=_duration(meaning.RETRY_BACKOFF_MOST),
        ),
    )


def _outlier_detection() -> outlier_detection_pb2.OutlierDetection:
    return outlier_detection_pb2.OutlierDetection(
        interval=_duration(meaning.OUTLIER_INTERVAL),
        base_ejection_time=_duration(meaning.OUTLIER_EJECTION),
        max_ejection_time=_duration(meaning.OUTLIER_EJECTION_MOST),
        max_ejection_percent=UInt32Value(value=meaning.OUTLIER_EJECTED_PERCENT),
        failure_percentage_threshold=UInt32Value(value=meaning.OUTLIER_FAILURE_PERCENTAGE),
        enforcing_failure_percentage=UInt32Value(value=100),
        failure_percentage_minimum_hosts=UInt32Value(value=meaning.OUTLIER_HOSTS),
        failure_percentage_request_volume=UInt32Value(value=meaning.OUTLIER_REQUESTS),
        # By success rate needs a crowd to compare with.
        enforcing_success_rate=UInt32Value(value=0),
    )


def _mutual_tls(server: str) -> tls_pb2.UpstreamTlsContext:
    provider = common_pb2.CertificateProviderPluginInstance(instance_name=_CERTIFICATES)
    return tls_pb2.UpstreamTlsContext(
        common_tls_context=tls_pb2.CommonTlsContext(
            tls_certificate_provider_instance=provider,
            validation_context=common_pb2.CertificateValidationContext(
                ca_certificate_provider_instance=provider,
                match_subject_alt_names=[string_pb2.StringMatcher(exact=server)],
            ),
        )
    )


def _lb_endpoint(endpoint: Endpoint) -> endpoint_components_pb2.LbEndpoint:
    found = endpoint_components_pb2.LbEndpoint(
        health_status=health_check_pb2.DRAINING if endpoint.draining else health_check_pb2.HEALTHY
    )
    address = found.endpoint.address.socket_address
    address.address = endpoint.host
    address.port_value = endpoint.port
    return found


def _ads() -> config_source_pb2.ConfigSource:
    return config_source_pb2.ConfigSource(
        ads=config_source_pb2.AggregatedConfigSource(),
        resource_api_version=config_source_pb2.ApiVersion.V3,
    )


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromMilliseconds(round(seconds * 1000))
    return duration


def _pack(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message, deterministic=True)
    return packed
