"""Replicas, clients and the control plane as real processes, and each of them killed in turn."""

from __future__ import annotations

import signal

import pytest

from mesh.controlplane.state import StateFile
from plexus.mesh.v1.replica_pb2 import REPLICA_STATE_READY, REPLICA_STATE_UNCONFIRMED
from tests.mesh.small_mesh import Process, SmallMesh, until

ENOUGH = 20


def _failures(counts: dict[str, int]) -> dict[str, int]:
    return {outcome: n for outcome, n in counts.items() if not outcome.startswith("OK")}


def _answered_by(caller: Process, replica: str) -> bool:
    return caller.ask("count").get(f"OK {replica}", 0) >= ENOUGH


def _shares_load(
    mesh: SmallMesh, threads: int = 4, milliseconds: int = 5
) -> tuple[Process, Process, Process]:
    """Two replicas, and a client whose calls of so many milliseconds both of them answer."""
    first, second = mesh.start_replica("records-1"), mesh.start_replica("records-2")
    caller = mesh.start_caller()
    caller.ask(f"load {threads} pat_{milliseconds}")
    for name in ("records-1", "records-2"):
        until(lambda name=name: _answered_by(caller, name), f"calls to {name}")  # type: ignore[misc]
    return first, second, caller


def _stopped(caller: Process) -> dict[str, int]:
    """The calls that failed since the load began."""
    return _failures(caller.ask("stop"))


def test_a_killed_replica_leaves_and_no_call_fails(mesh: SmallMesh) -> None:
    mesh.start_control_plane()
    first, _, caller = _shares_load(mesh)
    first.end(signal.SIGKILL)
    until(lambda: mesh.states().keys() == {"records-2"}, "the endpoint to leave")
    assert _stopped(caller) == {}


def test_a_drained_replica_finishes_its_calls_and_none_fails(mesh: SmallMesh) -> None:
    mesh.start_control_plane()
    # Each call takes longer than the pause between DRAINING and the end: some are in flight.
    first, _, caller = _shares_load(mesh, threads=20, milliseconds=300)
    assert first.end(signal.SIGTERM) == 0
    assert mesh.states().keys() == {"records-2"}
    assert _stopped(caller) == {}


def test_a_hung_replica_leaves_and_returns_when_it_goes_on(mesh: SmallMesh) -> None:
    mesh.start_control_plane()
    first, _, caller = _shares_load(mesh)
    caller.ask("stop")
    first.send(signal.SIGSTOP)
    until(lambda: mesh.states().keys() == {"records-2"}, "the endpoint to leave")
    first.send(signal.SIGCONT)
    until(lambda: mesh.states().get("records-1") == REPLICA_STATE_READY, "it to return")
    caller.ask("load 2 pat_5")
    until(lambda: _answered_by(caller, "records-1"), "calls to it")
    assert _stopped(caller) == {}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_restarted_control_plane_publishes_no_less_and_no_call_fails(
    mesh: SmallMesh, number: signal.Signals
) -> None:
    control_plane = mesh.start_control_plane()
    _, _, caller = _shares_load(mesh)
    assert control_plane.end(number) == (0 if number is signal.SIGTERM else -number)
    kept = {
        replica.name for replica in StateFile(mesh.settings.control_plane_state).load().replicas
    }
    assert kept == {"records-1", "records-2"}
    before = caller.ask("count")
    mesh.start_control_plane()
    # From the first moment on, registered again or not.
    assert set(mesh.states().values()) <= {REPLICA_STATE_READY, REPLICA_STATE_UNCONFIRMED}
    assert mesh.states().keys() == kept
    until(lambda: set(mesh.states().values()) == {REPLICA_STATE_READY}, "both to register again")
    until(
        lambda: all(each.acknowledged == 1 for each in mesh.status().versions),
        "the client to subscribe again",
    )
    counts = caller.ask("stop")
    assert _failures(counts) == {}
    assert sum(counts.values()) > sum(before.values())


def test_a_replica_that_died_with_the_control_plane_is_found_gone(mesh: SmallMesh) -> None:
    control_plane = mesh.start_control_plane()
    first, _, caller = _shares_load(mesh)
    control_plane.end()
    first.end()
    mesh.start_control_plane()
    until(lambda: mesh.states().keys() == {"records-2"}, "the endpoint to leave")
    until(
        lambda: all(each.acknowledged == 1 for each in mesh.status().versions),
        "the client to subscribe again",
    )
    assert _stopped(caller) == {}
