"""Certificates that live for seconds are renewed at half life, and nobody notices."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from mesh.identity.workload import IdentityError, WorkloadIdentity
from mesh.settings import Settings
from tests.mesh.small_mesh import SmallMesh, until

LIFETIME = 6.0


@pytest.fixture
def short_lived(tmp_path: Path) -> Iterator[SmallMesh]:
    mesh = SmallMesh(tmp_path, certificate_lifetime=LIFETIME)
    yield mesh
    mesh.close()


def _expiry(mesh: SmallMesh) -> dict[str, float]:
    return {
        replica.name: replica.certificate_expire_time.ToNanoseconds() / 1e9
        for replica in mesh.status().replicas
    }


def _all_subscribed(mesh: SmallMesh) -> bool:
    try:
        return all(each.acknowledged == 1 for each in mesh.status().versions)
    except grpc.RpcError:
        # Who asks has a certificate that lives for seconds, too, and renews it at the same time.
        return False


def test_certificates_are_renewed_at_half_life_without_a_failed_call(
    short_lived: SmallMesh,
) -> None:
    mesh = short_lived
    control_plane = mesh.start_control_plane()
    first = mesh.start_replica("records-1")
    mesh.start_replica("records-2")
    caller = mesh.start_caller()
    caller.ask("load 2 pat_5")
    began = _expiry(mesh)
    # Until everything that this began with has expired, and was replaced more than once.
    until(
        lambda: all(now > began[name] + LIFETIME for name, now in _expiry(mesh).items()),
        "every certificate to be renewed",
    )
    # Nothing that lives by its first certificate can open a connection now. A new replica and a
    # new control plane make everybody open one.
    first.end(signal.SIGTERM)
    mesh.start_replica("records-3")
    until(lambda: caller.ask("count").get("OK records-3", 0) > 0, "calls to the new replica")
    control_plane.end()
    mesh.start_control_plane()
    until(lambda: _all_subscribed(mesh), "the client to subscribe with its new certificate")
    assert {outcome.partition(" ")[0] for outcome in caller.ask("stop")} == {"OK"}


def test_a_restarted_process_goes_on_with_its_certificate_without_the_control_plane(
    mesh: SmallMesh,
) -> None:
    control_plane = mesh.start_control_plane()
    settings = Settings.read(mesh.joining("records", "records-1"))
    before = WorkloadIdentity(settings)
    before.start()
    before.close()
    control_plane.end()
    after = WorkloadIdentity(settings)
    after.start(timeout=1)
    after.close()
    assert (after.workload, after.expire_time) == ("records", before.expire_time)


def test_a_process_whose_token_is_refused_is_told_so_at_once(mesh: SmallMesh) -> None:
    mesh.start_control_plane()
    environ = mesh.joining("records", "records-1")
    stranger = WorkloadIdentity(Settings.read({**environ, "PLEXUS_JOIN_TOKEN": "a.b"}))
    with pytest.raises(IdentityError, match="JOIN_TOKEN_INVALID"):
        stranger.start(timeout=60)
