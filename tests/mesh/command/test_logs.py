"""`plexus logs`: the lines of many processes as one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from typer.testing import CliRunner

from mesh.command.gathering import Logs
from mesh.command.program import app
from mesh.runtime.output import bound, opened
from observability.lines import show
from tests.platform import ROOT

TRACE, OTHER = "ab" * 16, "cd" * 16


def line(
    process: str, second: int, event: str = "call", level: str = "info", **more: object
) -> str:
    told = {
        "timestamp": f"2026-01-01T00:00:{second:02}.000000Z",
        "level": level,
        "service": process.rpartition("-")[0],
        "process": process,
        "event": event,
    }
    return json.dumps({**told, **more}) + "\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "records-1.log").write_text(
        line("records-1", 1, trace_id=TRACE)
        + line("records-1", 4, "port_not_kept", "warning")
        + line("records-1", 6, trace_id=OTHER)
    )
    (folder / "records-2.log").write_text(line("records-2", 2, trace_id=TRACE) + "no JSON at all\n")
    (folder / "billing-1.log").write_text(
        line("billing-1", 3, trace_id=TRACE, level="error") + line("billing-1", 5)
    )
    return tmp_path


def printed(home: Path, *arguments: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(app, ["logs", *arguments], env={"PLEXUS_HOME": str(home)})
    assert result.exit_code == 0
    return [json.loads(each) for each in result.stdout.splitlines()]


def times(events: list[dict[str, Any]]) -> list[str]:
    return [event.get("timestamp", "")[17:19].lstrip("0") for event in events]


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [
        ([], ["1", "2", "", "3", "4", "5", "6"]),
        (["-n", "1"], ["", "5", "6"]),
        (["records"], ["1", "2", "", "4", "6"]),
        (["records-1"], ["1", "4", "6"]),
        (["--service", "billing"], ["3", "5"]),
        (["--trace", TRACE], ["1", "2", "3"]),
        (["--trace", TRACE, "--service", "records"], ["1", "2"]),
        (["--errors"], ["3", "4"]),
        (["--trace", "ef" * 16], []),
    ],
)
def test_lines_of_all_processes_are_merged_by_time_and_chosen(
    home: Path, arguments: list[str], seconds: list[str]
) -> None:
    assert times(printed(home, *arguments)) == seconds


def test_a_pipe_gets_json_even_of_what_is_none(home: Path) -> None:
    (told,) = printed(home, "records-2", "-n", "1")
    assert told == {"process": "records-2", "service": "records", "event": "no JSON at all"}


def test_a_person_gets_when_who_what_and_the_rest() -> None:
    event = json.loads(
        line(
            "records-1",
            1,
            method="plexus.records.v1.RecordsService/GetPatient",
            outcome="NOT_FOUND",
            reason="PATIENT_NOT_FOUND",
            duration_ms=1.5,
        )
    )
    assert show(event).split()[1:] == [
        *("records-1", "info", "records.GetPatient", "NOT_FOUND", "PATIENT_NOT_FOUND"),
        "duration_ms=1.5",
    ]


def test_following_sees_what_is_added_begun_anew_and_begun_by_a_new_replica(home: Path) -> None:
    folder = home / "logs"
    logs = Logs(folder)

    def new() -> list[str]:
        return times(logs.look(lambda event: "timestamp" in event))

    assert len(new()) == 6
    assert new() == []
    with (folder / "records-1.log").open("a") as log:
        log.write(line("records-1", 11) + line("records-1", 12)[:20])
        log.flush()
        assert new() == ["11"]
        log.write(line("records-1", 12)[20:])
    assert new() == ["12"]
    (folder / "records-3.log").write_text(line("records-3", 13))
    assert new() == ["13"]
    # It has grown large: put aside with a line that nobody has read yet, and begun anew.
    with (folder / "records-1.log").open("a") as log:
        log.write(line("records-1", 14))
    assert bound(folder / "records-1.log", largest=100)
    with (folder / "records-1.log").open("a") as log:
        log.write(line("records-1", 15))
    assert new() == ["14", "15"]
    assert times(Logs(folder).look(lambda event: event.get("process") == "records-1")) == [
        *("1", "4", "6", "11", "12", "14", "15")
    ]


def test_a_log_is_put_aside_when_it_is_large_and_its_process_writes_on(tmp_path: Path) -> None:
    log = tmp_path / "records-1.log"
    descriptor = opened(log)
    try:
        os.write(descriptor, b"0123456789\n")
        assert not bound(log, largest=11)
        assert bound(log, largest=10)
        os.write(descriptor, b"next\n")
    finally:
        os.close(descriptor)
    assert log.read_bytes() == b"next\n"
    assert (tmp_path / "records-1.log.1").read_bytes() == b"0123456789\n"


@pytest.fixture
def following(home: Path) -> Iterator[Queue[str]]:
    """The lines that `plexus logs -f --trace` prints, as they come."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mesh.command", "logs", "-f", "--trace", TRACE],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "clients/python"))),
            "PLEXUS_HOME": str(home),
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    told: Queue[str] = Queue()
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: [*map(told.put, process.stdout or ())], daemon=True)
    reader.start()
    try:
        yield told
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()


def test_a_trace_is_followed_into_a_replica_that_did_not_exist(
    home: Path, following: Queue[str]
) -> None:
    assert times([json.loads(following.get(timeout=30)) for _ in range(3)]) == ["1", "2", "3"]
    (home / "logs" / "triage-9.log").write_text(
        line("triage-9", 20, trace_id=OTHER) + line("triage-9", 21, trace_id=TRACE)
    )
    assert times([json.loads(following.get(timeout=30))]) == ["21"]
    assert following.empty()
