"""What a process writes of itself: lines of JSON, and nothing that a patient told anybody."""

from __future__ import annotations

import ast
import json
import logging
import os
import subprocess
import sys
from typing import Any

import pytest

from observability import logs
from tests.platform import ROOT

SECRET = "Zebulon"

# Every way for words to get out of a process that does not mean to say them.
_PROCESS = f"""
import asyncio, gc, logging, threading, warnings
import structlog
from observability import logs
from plexus.records.v1.records_service_pb2 import SearchPatientsRequest

logs.configure("records-1", "records")
told, own, library = structlog.get_logger(), logging.getLogger("mesh.x"), logging.getLogger("grpc._x")
message = SearchPatientsRequest(name="{SECRET}")

def fail():
    raise ValueError("{SECRET}")

def in_a_library():
    try:
        fail()
    except ValueError as error:
        library.exception(f"Exception calling application: {{error}}")
        library.exception("a literal")
        library.error("a template %s", error)
        own.exception("ours")
        told.exception("told")

class Unraisable:
    def __del__(self):
        fail()

async def forgotten():
    async def inner():
        fail()
    task = asyncio.create_task(inner())
    await asyncio.sleep(0.01)
    del task
    gc.collect()

told.info("a message", request=message, error=ValueError("{SECRET}"), raw=b"{SECRET}")
own.warning("%s and %d", message, 3, extra={{"cause": ValueError("{SECRET}")}})
own.warning("%d", "{SECRET}")
in_a_library()
warnings.warn("{SECRET}")
asyncio.run(forgotten())
thread = threading.Thread(target=fail, name="worker")
thread.start()
thread.join()
Unraisable()
fail()
"""


@pytest.fixture(scope="module")
def process() -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _PROCESS],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'clients/python'}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def lines(process: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in process.stdout.splitlines()]


def test_no_value_gets_out_by_any_way(process: subprocess.CompletedProcess[str]) -> None:
    assert (SECRET in process.stdout, SECRET in process.stderr) == (False, False)


def test_nothing_is_written_but_lines_and_each_says_whose_it_is(
    process: subprocess.CompletedProcess[str], lines: list[dict[str, Any]]
) -> None:
    assert process.stderr == ""
    assert {(line["process"], line["service"]) for line in lines} == {("records-1", "records")}
    assert all(line["timestamp"] and line["level"] and line["event"] for line in lines)


@pytest.mark.parametrize(
    ("event", "how_often", "has"),
    [
        ("a message", 1, {"error": "ValueError", "raw": "bytes", "request": {"name": "·"}}),
        ("{'name': '·'} and 3", 1, {"cause": "ValueError"}),
        ("%d", 1, {}),
        ("a literal", 1, {"error": "ValueError", "logger": "grpc._x"}),
        ("a template %s", 1, {}),
        ("ours", 1, {"error": "ValueError"}),
        ("told", 1, {"error": "ValueError"}),
        # gRPC's own words, a warning, and a task that nobody waited for.
        ("a library has something to say", 3, {}),
        ("nobody caught it", 2, {"error": "ValueError"}),
        ("could not be raised", 1, {"error": "ValueError"}),
    ],
)
def test_what_happened_is_told_by_type_and_place(
    lines: list[dict[str, Any]], event: str, how_often: int, has: dict[str, Any]
) -> None:
    found = [line for line in lines if line["event"] == event]
    assert len(found) == how_often
    assert all(line.items() >= has.items() for line in found)


def test_a_line_that_cannot_be_written_is_nobodys_failure() -> None:
    class Full:
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

        def flush(self) -> None:
            """Nothing."""

    logs.Lines(Full()).info("lost")  # type: ignore[arg-type]


def test_an_exception_that_vouches_for_its_text_is_quoted() -> None:
    class Plain(Exception):
        tells_no_values = True

    told = [logs.cause(kind("the port is taken")).get("because") for kind in (Plain, ValueError)]
    assert told == ["the port is taken", None]


def test_loggers_of_libraries_stay_quiet_about_ordinary_steps() -> None:
    from observability.libraries import hush

    before = logging.getLogger("alembic").level
    hush()
    try:
        assert not logging.getLogger("alembic.runtime").isEnabledFor(logging.INFO)
    finally:
        logging.captureWarnings(capture=False)
        logging.raiseExceptions = True
        logging.getLogger("alembic").setLevel(before)


def test_the_words_of_our_own_lines_are_literals() -> None:
    levels = {"debug", "info", "warning", "error", "critical", "exception", "log"}
    spoken = [
        f"{file.relative_to(ROOT)}:{call.lineno}"
        for package in ("clients/python/plexus", "observability", "mesh", "services", "demo")
        for file in (ROOT / package).rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in levels
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in {"_log", "log", "logger", "_logger", "logging"}
        and not (call.args and isinstance(call.args[0], ast.Constant))
    ]
    assert spoken == []
