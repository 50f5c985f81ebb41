"""Discovery against real gRPC clients: each client in a process of its own, over mutual TLS."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from dataclasses import replace

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.service.discovery.v3.ads_pb2_grpc import AggregatedDiscoveryServiceStub
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse

from mesh.controlplane.resources import Endpoint, Kind, load_assignment, replica_cluster
from plexus import contract
from plexus.contract import Contract
from tests.mesh.controlplane.hosted import Hosted
from tests.mesh.small_mesh import Process, SmallMesh, until

GET_PATIENT = "plexus.records.v1.RecordsService/GetPatient"


@pytest.fixture
def hosted(mesh: SmallMesh) -> Iterator[Hosted]:
    with Hosted(mesh).running() as running:
        yield running


def _outcomes(caller: Process) -> set[str]:
    """The status, or OK and the replica, of one call."""
    return {outcome.partition(":")[0] for outcome in caller.ask("call pat_0")}


def _without(path: str) -> Contract:
    """The contracts, but for one method."""
    return Contract(
        services=tuple(
            replace(s, methods=tuple(m for m in s.methods if m.path != path))
            for s in contract.load().services
        )
    )


def test_a_changed_route_reaches_a_running_client(mesh: SmallMesh, hosted: Hosted) -> None:
    mesh.start_replica("records-1")
    caller = mesh.start_caller()
    assert _outcomes(caller) == {"OK records-1"}
    hosted.publish(hosted.derived(_without(GET_PATIENT)))
    until(
        lambda: any("No matching route" in each for each in caller.ask("call pat_0")),
        "the route to be gone",
    )
    hosted.publish(hosted.derived())
    until(lambda: _outcomes(caller) == {"OK records-1"}, "the route to be back")


def test_a_refused_resource_is_stored_shown_and_rolled_back(
    mesh: SmallMesh, hosted: Hosted
) -> None:
    mesh.start_replica("records-1")
    caller = mesh.start_caller()
    assert _outcomes(caller) == {"OK records-1"}
    good = hosted.publisher(lambda publisher: publisher.served[Kind.CLUSTER].version)

    bad = replica_cluster("records", "records", hosted.topology.trust_domain)
    # gRPC's C-core does not know this policy.
    bad.lb_policy = Cluster.MAGLEV
    messages = hosted.derived()
    messages[Kind.CLUSTER]["records"] = bad
    hosted.publish(messages)

    (nack,) = until(lambda: list(mesh.status().nacks), "the refusal to be shown")
    assert (nack.type, nack.node) == ("Cluster", "edge-1")
    assert nack.version != good
    until(
        lambda: (
            [
                each.acknowledged
                for each in mesh.status().versions
                if each.type == "Cluster" and each.version == good
            ]
            == [1]
        ),
        "the client to have what it had accepted before",
    )
    # Whoever comes now gets what was accepted, and calls go through.
    assert _outcomes(mesh.start_caller("edge-2")) == {"OK records-1"}
    assert _outcomes(caller) == {"OK records-1"}


def test_a_server_with_the_certificate_of_another_service_is_refused(
    mesh: SmallMesh, hosted: Hosted
) -> None:
    mesh.start_replica("billing-1", workload="billing")
    messages = hosted.derived()
    port = (
        messages[Kind.LOAD_ASSIGNMENT]["billing"]
        .endpoints[0]  # type: ignore[attr-defined]
        .lb_endpoints[0]
        .endpoint.address.socket_address.port_value
    )
    impostor = Endpoint("records", "127.0.0.1", port)
    messages[Kind.LOAD_ASSIGNMENT]["records"] = load_assignment("records", [impostor])
    hosted.publish(messages)
    (outcome,) = mesh.start_caller().ask("call pat_0")
    assert outcome.startswith("UNAVAILABLE")
    assert "certificate" in outcome.lower()


class _RawClient:
    """A discovery stream spoken by hand."""

    def __init__(self, mesh: SmallMesh) -> None:
        self._requests: queue.Queue[DiscoveryRequest | None] = queue.Queue()
        self._channel = mesh.channel(mesh.identity("edge"))
        stub = AggregatedDiscoveryServiceStub(self._channel)
        self._responses = stub.StreamAggregatedResources(iter(self._requests.get, None), timeout=10)

    def send(self, kind: Kind, *names: str, nonce: str = "", version: str = "") -> None:
        self._requests.put(
            DiscoveryRequest(
                type_url=kind.type_url,
                resource_names=names,
                response_nonce=nonce,
                version_info=version,
            )
        )

    def receive(self) -> DiscoveryResponse:
        response: DiscoveryResponse = next(self._responses)
        return response

    def close(self) -> None:
        self._requests.put(None)
        self._channel.close()


def test_a_request_with_a_stale_nonce_is_dropped(mesh: SmallMesh, hosted: Hosted) -> None:
    client = _RawClient(mesh)
    client.send(Kind.CLUSTER, "records")
    first = client.receive()
    client.send(Kind.CLUSTER, "records", "billing", nonce=first.nonce)
    second = client.receive()
    assert len(second.resources) == 2
    # It would narrow the subscription, and be answered, if it were not about the first response.
    client.send(Kind.CLUSTER, "triage", nonce=first.nonce)
    client.send(Kind.CLUSTER, "triage", "billing", "records", nonce=second.nonce)
    third = client.receive()
    assert len(third.resources) == 3
    assert int(third.nonce) == int(second.nonce) + 1
    client.close()


def test_a_change_is_pushed_in_the_order_in_which_it_can_be_used(
    mesh: SmallMesh, hosted: Hosted
) -> None:
    client = _RawClient(mesh)
    for kind in reversed(Kind):
        client.send(kind, "records")
        client.receive()
    messages = hosted.derived(_without(GET_PATIENT))
    messages[Kind.CLUSTER]["records"] = replica_cluster("records", "records", "elsewhere.local")
    messages[Kind.LOAD_ASSIGNMENT]["records"] = load_assignment(
        "records", [Endpoint("records", "127.0.0.1", 1)]
    )
    hosted.publish(messages)
    pushed = [client.receive().type_url for _ in range(3)]
    assert pushed == [
        Kind.CLUSTER.type_url,
        Kind.LOAD_ASSIGNMENT.type_url,
        Kind.ROUTES.type_url,
    ]
    client.close()


def test_a_replica_at_which_everything_fails_is_ejected_and_asked_again_when_the_others_die(
    mesh: SmallMesh, hosted: Hosted
) -> None:
    healthy = mesh.start_replica("records-1")
    mesh.start_replica("records-sick")
    caller = mesh.start_caller()
    caller.ask("load 2 pat_5")
    until(lambda: any(o.startswith("INTERNAL") for o in caller.ask("count")), "a failure")
    until(
        lambda: (
            not any(
                outcome.startswith("INTERNAL")
                for _ in range(20)
                for outcome in caller.ask("call pat_0")
            )
        ),
        "the sick replica to be ejected",
    )
    caller.ask("stop")
    caller.ask("load 2 pat_5")
    healthy.end()
    until(lambda: any(o.startswith("INTERNAL") for o in caller.ask("count")), "a failure again")
    assert not any(outcome.startswith("UNAVAILABLE") for outcome in caller.ask("stop"))
