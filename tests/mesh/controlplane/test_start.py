"""A control plane that cannot start says why in one line, and exits with 2."""

from __future__ import annotations

import socket

import pytest

from tests.mesh.small_mesh import PATIENCE, SmallMesh


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"PLEXUS_TOPOLOGY": "nowhere.toml"}, "there is no topology at nowhere.toml"),
        ({"PLEXUS_CONTROL_PLANE": "somewhere"}, "PLEXUS_CONTROL_PLANE must be host:port"),
        ({"PLEXUS_CERTIFICATE_LIFETIME": "ages"}, "PLEXUS_CERTIFICATE_LIFETIME must be"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    mesh: SmallMesh, changed: dict[str, str], named: str
) -> None:
    mesh.environ.update(changed)
    _assert_refuses(mesh, named)


def test_a_taken_port_is_told_in_one_line(mesh: SmallMesh) -> None:
    with socket.socket() as taken:
        host, _, port = mesh.settings.control_plane.rpartition(":")
        taken.bind((host, int(port)))
        taken.listen()
        _assert_refuses(mesh, f"cannot listen on {mesh.settings.control_plane}")


def _assert_refuses(mesh: SmallMesh, named: str) -> None:
    process = mesh.launch_control_plane()
    assert process.popen.wait(PATIENCE) == 2
    process.finish()
    told = [line for line in process.lines if line.startswith("{")]
    assert len(told) == 1
    assert named in told[0]
    assert not any("Traceback" in line for line in process.lines)
