"""Who starts while the control plane is dead works from what that left on disk."""

from __future__ import annotations

import signal

from tests.mesh.small_mesh import SmallMesh, until


def test_a_client_that_starts_without_the_control_plane_reaches_the_replicas(
    mesh: SmallMesh,
) -> None:
    control_plane = mesh.start_control_plane()
    mesh.start_replica("records-1")
    # It has been here before: its certificate is on disk.
    mesh.start_caller("edge-1").end()
    control_plane.end(signal.SIGKILL)
    caller = mesh.start_caller("edge-1")
    assert caller.ask("call pat_0") == {"OK records-1": 1}


def test_it_goes_back_to_the_control_plane_when_that_is_back(mesh: SmallMesh) -> None:
    control_plane = mesh.start_control_plane()
    first = mesh.start_replica("records-1")
    mesh.start_caller("edge-1").end()
    control_plane.end(signal.SIGKILL)
    caller = mesh.start_caller("edge-1")
    assert caller.ask("call pat_0") == {"OK records-1": 1}
    caller.ask("load 2 pat_1")
    mesh.start_control_plane()
    mesh.start_replica("records-2")
    until(lambda: caller.ask("count").get("OK records-2", 0) > 0, "calls to the new replica")
    first.end(signal.SIGTERM)
    assert {outcome.partition(" ")[0] for outcome in caller.ask("stop")} == {"OK"}
