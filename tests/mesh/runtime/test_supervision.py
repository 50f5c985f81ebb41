"""The runtime process with real children: what it does with them, and what is left when it is gone."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1 import trace_pb2

from mesh.runtime import ledger
from mesh.runtime.birth import Born, birth_of
from mesh.runtime.errors import Mistake, NotRunning, TargetUnknown, TraceUnknown
from mesh.runtime.home import Home
from plexus.mesh.v1 import runtime_service_pb2 as runtime
from tests.mesh.runtime.sleepers import Sleepers, asleep, eventually


@pytest.fixture(scope="module")
def sleepers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sleepers]:
    with asleep(tmp_path_factory.mktemp("sleepers")) as (found, _):
        yield found


def test_replicas_are_numbered_and_the_control_plane_comes_first(sleepers: Sleepers) -> None:
    names = [process.name for process in sleepers.platform.processes()]
    assert names == ["control-plane", "records-1", "records-2", "billing-1"]


def test_the_status_file_tells_which_processes_run(sleepers: Sleepers) -> None:
    written = json.loads(sleepers.platform.home.records.read_text())
    assert {e["name"]: e["pid"] for e in written["entries"]} == sleepers.pids()


@pytest.mark.parametrize(("target", "killed"), [("records-2", 1), ("records", 2)])
def test_a_replica_or_all_of_a_service_are_killed_and_come_back(
    sleepers: Sleepers, target: str, killed: int
) -> None:
    before = sleepers.pids()
    names = [p.name for p in sleepers.platform.signal(target, signal.SIGKILL)]
    assert len(names) == killed
    eventually(lambda: sleepers.pids().keys() == before.keys(), "all run again")
    after = sleepers.pids()
    assert {name for name in before if before[name] != after[name]} == set(names)


def test_held_down_replicas_come_back_by_scaling(sleepers: Sleepers) -> None:
    sleepers.platform.signal("billing", signal.SIGKILL, hold_down=True)
    eventually(
        lambda: (
            [p.state for p in sleepers.platform.processes() if p.service == "billing"]
            == [runtime.PROCESS_STATE_HELD_DOWN]
        ),
        "billing is held down",
    )
    sleepers.platform.scale("billing", 1)
    eventually(lambda: "billing-1" in sleepers.pids(), "billing runs")


def test_scaling_starts_and_stops_the_last_replicas(sleepers: Sleepers) -> None:
    before = sleepers.pids()
    assert [p.name for p in sleepers.platform.scale("records", 3)][-1] == "records-3"
    eventually(lambda: "records-3" in sleepers.pids(), "the third runs")
    assert [p.name for p in sleepers.platform.scale("records", 2)] == ["records-1", "records-2"]
    assert sleepers.pids() == before


def test_a_signal_repeated_under_one_request_id_is_sent_once(sleepers: Sleepers) -> None:
    from plexus.mesh.v1.runtime_service_pb2_grpc import RuntimeServiceStub

    stub = RuntimeServiceStub(sleepers.platform.runtime_channel())
    request = runtime.SignalProcessRequest(
        request_id="once", target="records-1", signal=runtime.SIGNAL_KILL
    )
    stub.SignalProcess(request)
    eventually(lambda: "records-1" in sleepers.pids(), "it runs again")
    survivor = sleepers.pids()["records-1"]
    stub.SignalProcess(request)
    assert sleepers.pids()["records-1"] == survivor


def test_what_does_not_exist_is_named_beside_what_does(sleepers: Sleepers) -> None:
    with pytest.raises(TargetUnknown) as refused:
        sleepers.platform.signal("recrods", signal.SIGKILL)
    assert "recrods" in refused.value.cause
    assert "records-1" in refused.value.mend


def test_there_is_one_control_plane(sleepers: Sleepers) -> None:
    with pytest.raises(Mistake, match="one control plane"):
        sleepers.platform.scale("control-plane", 2)


def test_spans_are_taken_in_and_given_back_by_trace(sleepers: Sleepers) -> None:
    trace_id, span_id = "ab" * 16, "cd" * 8
    span = trace_pb2.Span(trace_id=bytes.fromhex(trace_id), span_id=bytes.fromhex(span_id))
    batch = trace_pb2.ResourceSpans(scope_spans=[trace_pb2.ScopeSpans(spans=[span])])
    with grpc.insecure_channel(f"unix:{sleepers.platform.home.traces_socket}") as channel:
        stub = trace_service_pb2_grpc.TraceServiceStub(channel)  # type: ignore[no-untyped-call]
        stub.Export(trace_service_pb2.ExportTraceServiceRequest(resource_spans=[batch]), timeout=5)
    assert [s.span_id for s in sleepers.platform.trace(trace_id)] == [span_id]
    with pytest.raises(TraceUnknown):
        sleepers.platform.trace("ef" * 16)


def test_a_second_runtime_leaves_the_first_alone(sleepers: Sleepers) -> None:
    before = sleepers.pids()
    second = sleepers.start()
    assert second.wait(timeout=30) != 0
    assert sleepers.pids() == before


def test_no_process_outlives_a_runtime_that_is_killed(tmp_path: Path) -> None:
    with asleep(tmp_path) as (sleepers, process):
        children = [Born.of(pid) for pid in sleepers.pids().values()]
        # A process asks Linux to be killed with its parent, and then begins to watch it.
        watches = [Path(f"/proc/{child.pid}/task") for child in children]
        eventually(
            lambda: all(not each.exists() or len(list(each.iterdir())) > 1 for each in watches),
            "every child watches",
        )
        # One that is stopped can watch nothing and be told nothing but SIGKILL.
        sleepers.platform.signal("records-1", signal.SIGSTOP)
        process.kill()
        process.wait()
        eventually(lambda: not any(map(Born.is_alive, children)), "every child is gone")


def test_sigterm_stops_every_process_first(tmp_path: Path) -> None:
    with asleep(tmp_path) as (sleepers, process):
        children = [Born.of(pid) for pid in sleepers.pids().values()]
        process.terminate()
        assert process.wait(timeout=30) == 0
        assert not any(map(Born.is_alive, children))
        assert not sleepers.platform.home.runtime_socket.exists()
        with pytest.raises(NotRunning):
            sleepers.platform.processes()


def test_only_what_the_runtime_started_is_ended_as_a_leftover(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.make()
    own = birth_of(os.getpid())
    assert own is not None
    # This very process, written down as one that was born at another time: its id was reused.
    entry = ledger.Entry("records-1", "records", os.getpid(), f"{own}0", "running", 0)
    ledger.Ledger(Born(os.getpid(), own), "a:1", "a:2", "t", (entry,)).write(home)
    assert ledger.end_leftovers(home) == 0
