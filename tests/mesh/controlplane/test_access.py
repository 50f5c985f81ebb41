"""Who may call what on the control plane; every other caller is refused in the same words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from envoy.service.discovery.v3.ads_pb2_grpc import AggregatedDiscoveryServiceStub
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest

from mesh.identity.keys import new_key, signing_request
from mesh.identity.tokens import TokenVerifier
from mesh.identity.workload import WorkloadIdentity
from plexus.contract import load
from plexus.errors import PlexusError, from_rpc
from plexus.mesh.v1.identity_service_pb2 import (
    IssueTokenRequest,
    JoinMeshRequest,
    RenewCertificateRequest,
)
from plexus.mesh.v1.identity_service_pb2_grpc import IdentityServiceStub
from plexus.mesh.v1.registry_service_pb2 import GetMeshStatusRequest, RegisterRequest
from plexus.mesh.v1.registry_service_pb2_grpc import RegistryServiceStub
from plexus.mesh.v1.replica_pb2 import REPLICA_STATE_READY, Replica
from tests.mesh.controlplane.hosted import Hosted
from tests.mesh.small_mesh import SmallMesh

Call = Callable[[grpc.Channel], object]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallMesh]:
    mesh = SmallMesh(tmp_path_factory.mktemp("mesh"))
    with Hosted(mesh).running():
        yield mesh
        mesh.close()


@pytest.fixture(scope="module")
def identities(running: SmallMesh) -> dict[str, WorkloadIdentity]:
    return {name: running.identity(name) for name in ("records", "operator", "edge")}


def _register(service: str, **changed: object) -> Call:
    replica = Replica(name="records-1", service=service, host="127.0.0.1", port=1)
    replica.MergeFrom(Replica(**changed))  # type: ignore[arg-type]

    def call(channel: grpc.Channel) -> object:
        request = RegisterRequest(request_id="1", replica=replica)
        return list(RegistryServiceStub(channel).Register(iter([request]), timeout=5))

    return call


def _status(channel: grpc.Channel) -> object:
    return RegistryServiceStub(channel).GetMeshStatus(GetMeshStatusRequest(), timeout=5)


def _issue(*scopes: str) -> Call:
    def call(channel: grpc.Channel) -> object:
        request = IssueTokenRequest(subject="app_portal", scopes=scopes)
        return IdentityServiceStub(channel).IssueToken(request, timeout=5)

    return call


def _renew(csr_pem: str) -> Call:
    def call(channel: grpc.Channel) -> object:
        request = RenewCertificateRequest(csr_pem=csr_pem)
        return IdentityServiceStub(channel).RenewCertificate(request, timeout=5)

    return call


def _join(channel: grpc.Channel) -> object:
    request = JoinMeshRequest(join_token="a.b", csr_pem=signing_request(new_key()))
    return IdentityServiceStub(channel).JoinMesh(request, timeout=5)


def _discover(channel: grpc.Channel) -> object:
    stub = AggregatedDiscoveryServiceStub(channel)
    return next(stub.StreamAggregatedResources(iter([DiscoveryRequest()]), timeout=5))


def _raw(path: str, content: bytes) -> Call:
    def call(channel: grpc.Channel) -> object:
        method: Any = channel.unary_unary(path)
        return method(content, timeout=5)

    return call


def _refused(channel: grpc.Channel, call: Call) -> PlexusError:
    with channel, pytest.raises(grpc.RpcError) as caught:
        call(channel)
    return from_rpc(caught.value)


@pytest.mark.parametrize(
    ("caller", "call"),
    [
        pytest.param("records", _status, id="status as a service"),
        pytest.param("edge", _status, id="status as the edge"),
        pytest.param("records", _issue(), id="a token as a service"),
        pytest.param("operator", _join, id="join on the mesh port"),
        pytest.param("operator", _raw("/plexus.mesh.v1.No/Such", b""), id="no such method"),
        pytest.param(
            "operator", _raw("/plexus.mesh.v1.RuntimeService/StopPlatform", b""), id="not served"
        ),
        pytest.param(
            "records",
            _raw("/plexus.mesh.v1.RegistryService/GetMeshStatus", b"\xff"),
            id="unreadable and not allowed",
        ),
    ],
)
def test_an_undeclared_caller_is_refused_before_anything_is_revealed(
    running: SmallMesh, identities: dict[str, WorkloadIdentity], caller: str, call: Call
) -> None:
    error = _refused(running.channel(identities[caller]), call)
    assert error.status is grpc.StatusCode.PERMISSION_DENIED
    assert (error.reason, error.domain) == ("CALLER_NOT_ALLOWED", "plexus")


@pytest.mark.parametrize("call", [_status, _issue(), _renew(""), _register("records"), _discover])
def test_the_identity_port_serves_only_those_who_join(running: SmallMesh, call: Call) -> None:
    credentials = grpc.ssl_channel_credentials(running.settings.trust_bundle.read_bytes())
    error = _refused(grpc.secure_channel(running.settings.identity, credentials), call)
    assert error.reason == "CALLER_NOT_ALLOWED"


@pytest.mark.parametrize(
    ("caller", "call", "reason"),
    [
        ("records", _register("billing"), "SERVICE_UNKNOWN"),
        ("edge", _register("edge"), "SERVICE_UNKNOWN"),
        ("records", _register("records", port=70_000), "REQUEST_INVALID"),
        ("records", _renew("no request"), "CSR_INVALID"),
        ("records", _renew(""), "REQUEST_INVALID"),
        ("operator", _issue("no.such"), "SCOPE_UNKNOWN"),
    ],
)
def test_what_a_caller_may_not_say_is_refused_with_its_reason(
    running: SmallMesh,
    identities: dict[str, WorkloadIdentity],
    caller: str,
    call: Call,
    reason: str,
) -> None:
    assert _refused(running.channel(identities[caller]), call).reason == reason


def test_a_join_token_of_another_mesh_is_refused(running: SmallMesh) -> None:
    credentials = grpc.ssl_channel_credentials(running.settings.trust_bundle.read_bytes())
    error = _refused(grpc.secure_channel(running.settings.identity, credentials), _join)
    assert error.status is grpc.StatusCode.UNAUTHENTICATED
    assert error.reason == "JOIN_TOKEN_INVALID"


def test_a_token_without_stated_scopes_opens_every_scope_and_is_verified_by_any_workload(
    running: SmallMesh, identities: dict[str, WorkloadIdentity]
) -> None:
    with running.channel(identities["operator"]) as channel:
        request = IssueTokenRequest(subject="app_portal")
        issued = IdentityServiceStub(channel).IssueToken(request, timeout=5)
    keys: Path = identities["records"].token_keys()
    token = TokenVerifier(keys).verify(issued.token)
    assert (token.subject, token.scopes) == ("app_portal", load().scopes)


def test_the_operator_sees_what_a_replica_says_of_itself(
    running: SmallMesh, identities: dict[str, WorkloadIdentity]
) -> None:
    seen: list[Replica] = []

    def requests() -> Iterator[RegisterRequest]:
        replica = Replica(
            name="records-7", service="records", host="127.0.0.1", port=1, pid=7, version="1.2"
        )
        replica.state = REPLICA_STATE_READY
        replica.calls.add(
            method="plexus.records.v1.RecordsService/GetChart", caller="triage", outcome="OK"
        )
        yield RegisterRequest(request_id="1", replica=replica)
        seen.extend(running.status().replicas)

    with running.channel(identities["records"]) as channel:
        answers = list(RegistryServiceStub(channel).Register(requests(), timeout=5))
    (replica,) = [each for each in seen if each.name == "records-7"]
    assert (replica.pid, replica.version, len(replica.calls)) == (7, "1.2", 1)
    assert len(answers) == 1
