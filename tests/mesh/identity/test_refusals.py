"""Whoever cannot prove who it is gets no connection: real servers, real handshakes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from mesh.identity.authority import Authority
from mesh.identity.keys import new_key, private_pem, signing_request
from mesh.identity.serving import Certified, rotating_server_credentials
from tests.mesh.small_mesh import until


def _certified(authority: Authority, workload: str, lifetime: float = 60) -> Certified:
    key = new_key()
    svid = authority.sign(signing_request(key), workload, lifetime)
    return Certified(svid.certificate_pem.encode(), private_pem(key), authority.trust_bundle)


class _Server:
    """A replica of records whose certificate can be replaced while it serves."""

    def __init__(self, authority: Authority) -> None:
        self.shown = _certified(authority, "records")
        self._server = grpc.server(futures.ThreadPoolExecutor(2))
        servicer: Any = health.HealthServicer()
        servicer.set("", health_pb2.HealthCheckResponse.SERVING)
        add: Any = health_pb2_grpc.add_HealthServicer_to_server
        add(servicer, self._server)
        credentials = rotating_server_credentials(lambda: self.shown)
        self.port = self._server.add_secure_port("127.0.0.1:0", credentials)
        self._server.start()

    def ask(self, credentials: grpc.ChannelCredentials | None, name: str = "records") -> None:
        """One health check; RpcError when there is no connection."""
        target = f"127.0.0.1:{self.port}"
        options = [
            ("grpc.ssl_target_name_override", f"{name}.plexus.local"),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        channel = (
            grpc.secure_channel(target, credentials, options)
            if credentials
            else grpc.insecure_channel(target, options)
        )
        with channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            stub.Check(health_pb2.HealthCheckRequest(), timeout=5)

    def stop(self) -> None:
        self._server.stop(None).wait()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.open(tmp_path / "authority", "plexus.local")


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    return Authority.open(tmp_path / "stranger", "plexus.local")


@pytest.fixture
def server(authority: Authority) -> Iterator[_Server]:
    running = _Server(authority)
    yield running
    running.stop()


def _client(certified: Certified, trust_bundle: bytes | None = None) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        trust_bundle or certified.trust_bundle, certified.key, certified.certificate
    )


def _refused(ask: Callable[[], None]) -> bool:
    try:
        ask()
    except grpc.RpcError as error:
        return error.code() is grpc.StatusCode.UNAVAILABLE
    return False


def test_a_workload_of_the_mesh_is_let_in(authority: Authority, server: _Server) -> None:
    server.ask(_client(_certified(authority, "triage")))


def test_plaintext_is_refused(server: _Server) -> None:
    assert _refused(lambda: server.ask(None))


def test_a_client_without_a_certificate_is_refused(authority: Authority, server: _Server) -> None:
    assert _refused(lambda: server.ask(grpc.ssl_channel_credentials(authority.trust_bundle)))


def test_a_client_of_another_authority_is_refused(
    authority: Authority, stranger: Authority, server: _Server
) -> None:
    foreign = _client(_certified(stranger, "triage"), authority.trust_bundle)
    assert _refused(lambda: server.ask(foreign))


def test_a_client_with_an_expired_certificate_is_refused(
    authority: Authority, server: _Server
) -> None:
    expired = _client(_certified(authority, "triage", lifetime=-1))
    assert _refused(lambda: server.ask(expired))


def test_a_server_of_another_authority_is_refused(
    authority: Authority, stranger: Authority, server: _Server
) -> None:
    server.shown = _certified(stranger, "records")
    assert _refused(lambda: server.ask(_client(_certified(authority, "triage"))))


def test_a_server_with_an_expired_certificate_is_refused(
    authority: Authority, server: _Server
) -> None:
    server.shown = _certified(authority, "records", lifetime=-1)
    assert _refused(lambda: server.ask(_client(_certified(authority, "triage"))))
    # And its renewed one is believed by the very next connection.
    server.shown = _certified(authority, "records")
    server.ask(_client(_certified(authority, "triage")))


def test_a_server_of_another_service_is_refused(authority: Authority, server: _Server) -> None:
    client = _client(_certified(authority, "triage"))
    assert _refused(lambda: server.ask(client, name="billing"))


def test_a_new_certificate_is_shown_to_new_connections(
    authority: Authority, server: _Server
) -> None:
    client = _client(_certified(authority, "triage"))
    server.ask(client)
    server.shown = _certified(authority, "scheduling")
    until(lambda: _refused(lambda: server.ask(client)), "the old certificate to be gone")
    server.ask(client, name="scheduling")
