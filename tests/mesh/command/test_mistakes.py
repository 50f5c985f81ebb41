"""Whatever somebody gets wrong: one line of cause, one of mend, exit code 2, never a traceback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mesh.command.program import app
from tests.mesh.runtime.sleepers import Sleepers, asleep


def _id(value: list[str] | str) -> str:
    return " ".join(value) if isinstance(value, list) else "·"


NOWHERE: list[tuple[list[str], str, str]] = [
    # With nothing running.
    (["status"], "no platform runs in", "plexus up"),
    (["down"], "no platform runs in", "plexus up"),
    (["down", "--force"], "no platform runs in", "plexus up"),
    (["scale", "records=3"], "no platform runs in", "plexus up"),
    (["kill", "records-1"], "no platform runs in", "plexus up"),
    (["call", "records.GetPatient"], "no platform runs in", "plexus up"),
    (["trace", "ab" * 16], "no platform runs in", "plexus up"),
    (["logs"], "there are no logs in", "plexus up"),
    # Not understood.
    (["stauts"], "No such command 'stauts'", "plexus --help"),
    (["up", "--replicas", "99"], "Invalid value for '--replicas'", "plexus up --help"),
    (["up", "--sampling", "lots"], "Invalid value for '--sampling'", "plexus up --help"),
    (["kill"], "Missing argument", "plexus kill --help"),
    (["kill", "records", "--signal", "HUP"], "Invalid value for '--signal'", "plexus kill --help"),
    (["scale", "records"], "records is not SERVICE=N", "plexus scale records=3"),
    (["scale", "records=33"], "records=33 is not SERVICE=N", "plexus scale records=3"),
    (["trace", "xyz"], "xyz is not a trace id", "32 hexadecimal digits"),
    # Methods and requests.
    (["call"], "no method is named", "plexus call records.GetPatient"),
    (["call", "records.GetPatent"], "did you mean records.GetPatient", "plexus call --list"),
    (["call", "records.GetPatient", "{oops"], "not JSON: line 1 column 2", "quote the whole"),
    (["call", "records.GetPatient", "[1]"], "not a JSON object", "{ }"),
    (["call", "records.GetPatient", "{} {}"], "takes one request, and 2", "one JSON object"),
    (["call", "records.GetPatient", '{"id": "x"}'], 'no field named "id"', "contract show"),
    (["call", "records.GetPatient", "@/nowhere.json"], "cannot be read", "check the path"),
    (["contract", "show", "records.Nope"], "no contract has the method", "plexus call --list"),
    # Files.
    (["import", "/nowhere"], "there is nothing at /nowhere", "check the path"),
    (["import", ".", "--source", "Not A Name"], "cannot name a source", "lower-case"),
    (["up", "--topology", "/nowhere.toml"], "no topology at /nowhere.toml", "--topology"),
]


@pytest.mark.parametrize(("arguments", "cause", "mend"), NOWHERE, ids=_id)
def test_a_mistake_is_told_with_its_mend(
    tmp_path: Path, arguments: list[str], cause: str, mend: str
) -> None:
    assert_told(run(tmp_path, *arguments), cause, mend)


RUNNING: list[tuple[list[str], str, str]] = [
    (["kill", "recrods"], "no process or service recrods", "records-1"),
    (["scale", "recrods=2"], "no process or service recrods", "records"),
    (["scale", "control-plane=2"], "there is one control plane", "plexus logs runtime"),
    (["trace", "ab" * 16], "no span of trace", "were sampled"),
    (["logs", "recrods"], "there is no log of recrods", "records-1"),
    (["scale", "records=2", "--timeout", "1"], "not ready within 1 s: records-1", "plexus logs"),
]


@pytest.fixture(scope="module")
def sleepers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sleepers]:
    with asleep(tmp_path_factory.mktemp("sleepers")) as (found, _):
        yield found


@pytest.mark.parametrize(("arguments", "cause", "mend"), RUNNING, ids=_id)
def test_a_mistake_about_a_running_platform_is_told_with_its_mend(
    sleepers: Sleepers, arguments: list[str], cause: str, mend: str
) -> None:
    assert_told(run(sleepers.platform.home.path, *arguments), cause, mend)


@pytest.mark.parametrize(
    ("variable", "value", "cause", "mend"),
    [
        ("PLEXUS_CONTROL_PLANE", "here", "not host:port", "unset PLEXUS_CONTROL_PLANE"),
        ("PLEXUS_DATABASE_URL", "sqlite:///one.db", "the same database", "{service}"),
        ("PLEXUS_HOME", "/dev/null/home", "cannot be used", "PLEXUS_HOME"),
    ],
)
def test_an_environment_that_cannot_be_meant_is_told(
    tmp_path: Path, variable: str, value: str, cause: str, mend: str
) -> None:
    assert_told(run(tmp_path, "up", **{variable: value}), cause, mend)


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = run(tmp_path, "up", PLEXUS_IDENTITY=address)
    assert_told(result, f"{address} is in use", "unset PLEXUS_IDENTITY")


def test_a_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "request").write_bytes(b"\xff\xfe")
    result = run(tmp_path, "call", "records.GetPatient", f"@{tmp_path / 'request'}")
    assert_told(result, "not UTF-8", "check the path")


def test_an_empty_folder_is_nothing_to_import(tmp_path: Path) -> None:
    assert_told(run(tmp_path, "import", str(tmp_path)), "no .json or .ndjson", "FHIR files")


def run(home: Path, *arguments: str, **environment: str) -> Result:
    told: dict[str, str | None] = {
        "PLEXUS_HOME": str(home),
        "PLEXUS_CONTROL_PLANE": None,
        "PLEXUS_IDENTITY": None,
        "PLEXUS_DATABASE_URL": None,
        "PLEXUS_DEBUG": None,
        "COLUMNS": "200",
        **environment,
    }
    return CliRunner().invoke(app, list(arguments), env=told, prog_name="plexus")


def assert_told(result: Result, cause: str, mend: str) -> None:
    lines = result.stderr.splitlines()
    assert result.exit_code == 2, result.output
    assert [line[:8] for line in lines[1:]] == ["  mend: "], result.stderr
    assert lines[0].startswith("✗ ")
    assert cause in lines[0]
    assert mend in lines[1]
    assert "Traceback" not in result.output
