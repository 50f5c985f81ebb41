"""What the commands print and do."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from rich.console import Console
from typer.testing import CliRunner

from mesh.command.importing import import_files
from mesh.command.program import app
from mesh.command.traces import tree
from plexus.client import Channel
from plexus.errors import PlexusError, Unavailable
from plexus.mesh.v1.runtime_service_pb2 import Span
from plexus.records.v1 import records_service_pb2 as records
from tests.mesh.runtime.sleepers import Sleepers, asleep, eventually

Answer = Callable[[list[records.ImportBundleRequest]], records.ImportBundleResponse]


@pytest.fixture(scope="module")
def sleepers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sleepers]:
    with asleep(tmp_path_factory.mktemp("sleepers")) as (found, _):
        yield found


@pytest.mark.parametrize("command", [[], ["contract"]], ids=["plexus", "plexus contract"])
def test_a_command_alone_prints_its_help(command: list[str]) -> None:
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_the_version_is_printed() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout.split()[0].rstrip(",")) == (0, "plexus")


def test_the_contracts_hold() -> None:
    result = CliRunner().invoke(app, ["contract", "check"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["contract", "graph"], "billing"),
        (["contract", "graph", "--form", "mermaid"], "flowchart"),
        (["contract", "show", "records.GetPatient"], "500 ms"),
        (["call", "--list"], "scheduling.BookAppointment"),
    ],
)
def test_contracts_can_be_looked_at_with_nothing_running(arguments: list[str], told: str) -> None:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert told in result.stdout


def test_status_goes_on_without_the_control_plane(sleepers: Sleepers) -> None:
    home = {"PLEXUS_HOME": str(sleepers.platform.home.path), "COLUMNS": "100"}
    whole = json.loads(CliRunner().invoke(app, ["status", "--json"], env=home).stdout)
    assert whole["control_plane"]["answers"]
    assert CliRunner().invoke(app, ["kill", "control-plane", "--hold"], env=home).exit_code == 0
    try:
        part = json.loads(CliRunner().invoke(app, ["status", "--json"], env=home).stdout)
        assert not part["control_plane"]["answers"]
        assert len(part["processes"]) == len(whole["processes"])
        table = CliRunner().invoke(app, ["status"], env=home)
        assert table.exit_code == 0
        assert "control plane does not answer" in table.stdout
        assert "held down" in table.stdout
    finally:
        sleepers.platform.scale("control-plane", 1)
        eventually(lambda: "control-plane" in sleepers.pids(), "the control plane runs")


def test_kill_and_scale_do_what_they_say(sleepers: Sleepers) -> None:
    home = {"PLEXUS_HOME": str(sleepers.platform.home.path)}
    before = sleepers.pids()["billing-1"]
    assert CliRunner().invoke(app, ["kill", "billing"], env=home).exit_code == 0
    eventually(lambda: sleepers.pids().get("billing-1", before) != before, "another billing-1 runs")
    scaled = CliRunner().invoke(app, ["scale", "billing=0", "--no-wait"], env=home)
    assert scaled.exit_code == 0
    assert "billing-1" not in sleepers.pids()
    CliRunner().invoke(app, ["scale", "billing=1", "--no-wait"], env=home)
    eventually(lambda: "billing-1" in sleepers.pids(), "billing-1 runs")


def test_a_second_up_says_that_it_runs_and_changes_nothing(sleepers: Sleepers) -> None:
    before = sleepers.pids()
    home = {"PLEXUS_HOME": str(sleepers.platform.home.path), "COLUMNS": "200"}
    result = CliRunner().invoke(app, ["up"], env=home)
    assert (result.exit_code, "runs already" in result.stdout) == (0, True)
    assert sleepers.pids() == before


def test_call_reaches_the_runtime_by_its_contract(sleepers: Sleepers) -> None:
    home = {"PLEXUS_HOME": str(sleepers.platform.home.path)}
    result = CliRunner().invoke(app, ["call", "mesh.ListProcesses", "{}"], env=home)
    assert result.exit_code == 0
    names = [process["name"] for process in json.loads(result.stdout)["processes"]]
    assert names[0] == "control-plane"


def test_commands_of_other_packages_are_found_and_a_broken_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "other-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[plexus.commands]\ngreet = greeting:app\nbroken = no_such_module:app\n"
    )
    (tmp_path / "greeting.py").write_text(
        textwrap.dedent("""
            import typer
            app = typer.Typer()
            @app.command()
            def greet() -> None:
                print("hello")
        """)
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        assert "hello" in CliRunner().invoke(app, ["greet"]).stdout
        assert "greet" in CliRunner().invoke(app, ["--help"]).stdout
        broken = CliRunner().invoke(app, ["broken"])
        assert (broken.exit_code, "cannot be loaded" in broken.stderr) == (2, True)
    finally:
        sys.modules.pop("greeting", None)


def test_a_trace_is_a_tree_across_services() -> None:
    spans = [
        span("a", "unknown", "triage", "AssessSymptoms"),
        span("b", "a", "triage", "GetChart", status="UNAVAILABLE"),
        span("c", "b", "records", "GetChart"),
    ]
    console = Console(width=100, record=True, file=None, quiet=True)
    console.quiet = False
    with console.capture() as captured:
        console.print(tree("ab" * 16, spans))
    lines = captured.get().splitlines()
    assert [line.find("─") for line in lines[1:]] == [1, 5, 9]
    assert "UNAVAILABLE" in lines[2]


def test_an_import_adds_up_over_files_and_sends_again_what_was_cut_off(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.json", "b.ndjson")]
    files[0].write_bytes(b"x" * 1_500_000)
    files[1].write_bytes(b"")
    seen: list[list[records.ImportBundleRequest]] = []

    def answer(pieces: list[records.ImportBundleRequest]) -> records.ImportBundleResponse:
        seen.append(pieces)
        if len(seen) == 1:
            raise Unavailable(grpc.StatusCode.UNAVAILABLE)
        return records.ImportBundleResponse(created=2, unchanged=1)

    imported = import_files(Importing(answer), files, "clinic")
    assert (imported.outcomes["created"], imported.resources) == (4, 6)
    first, again, second = seen
    assert [len(piece.content) for piece in first] == [524_288, 524_288, 451_424]
    assert first[0].request_id == again[0].request_id != second[0].request_id
    assert {pieces[0].source for pieces in seen} == {"clinic"}


def test_an_import_that_is_refused_is_not_sent_again(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"{}")
    calls: list[int] = []

    def refuse(pieces: list[records.ImportBundleRequest]) -> records.ImportBundleResponse:
        calls.append(len(pieces))
        raise PlexusError(grpc.StatusCode.INVALID_ARGUMENT, "CONTENT_UNREADABLE")

    with pytest.raises(PlexusError):
        import_files(Importing(refuse), [tmp_path / "a.json"], "clinic")
    assert calls == [1]


class Importing(Channel):
    """A channel on which only ImportBundle answers."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def stream_unary(self, method: str, *_: Any, **__: Any) -> Any:
        def call(pieces: Iterable[records.ImportBundleRequest]) -> records.ImportBundleResponse:
            return self._answer(list(pieces))

        return call

    def unary_unary(self, method: str, *_: Any, **__: Any) -> Any:
        return None

    def unary_stream(self, method: str, *_: Any, **__: Any) -> Any:
        return None


def span(own: str, parent: str, service: str, name: str, status: str = "OK") -> Span:
    return Span(
        span_id=own, parent_span_id=parent, service=service, name=f"p.v1.S/{name}", status=status
    )
