"""Searches everything that a play left, and then once more with values put there by hand."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.trace.v1 import trace_pb2 as otlp_trace

from plexus.errors import PlexusError
from plexus.mesh.v1 import runtime_service_pb2 as runtime
from tests.observability.canary.birds import WORD
from tests.observability.canary.places import Search, exposed, files_of
from tests.observability.canary.play import Play
from tests.observability.canary.taps import EXPORT, Tap
from tests.platform import ROOT, plexus

Ran = subprocess.CompletedProcess[bytes]

_PATIENCE: Final = 10.0
_POLL: Final = 0.05
_PLANTED: Final = f"{WORD}planted"


def searched(play: Play, tap: Tap, folder: Path, ran: Ran) -> dict[str, Any]:
    """What was played and what was found. *folder* and *ran* are those of the chaos run."""
    clean = _search(play, tap, folder, ran)
    return {
        "values": play.flock.count,
        "fields": len(play.flock.fields),
        "calls": play.answers.calls,
        "outcomes": play.answers.outcomes,
        "spans": sum(tap.traces().values()),
        "chaos": ran.returncode,
        "missing": play.missing,
        "places": clean.places,
        "places_searched": sum(clean.places.values()),
        "megabytes": round(clean.megabytes, 1),
        "hits": len(clean.found),
        "found": [f"{hit.place} ({hit.form})" for hit in clean.found][:100],
        "planted": _planted(clean, play, tap, folder, ran),
    }


def _search(play: Play, tap: Tap, folder: Path, ran: Ran) -> Search:
    search, home = Search(play.flock.traces()), play.home
    logs = sorted((home / "logs").glob("*"))
    search.look_at_files("log", logs, home)
    rest = [file for file in files_of(home) if file.parent.name != "logs"]
    search.look_at_files("file of the platform", rest, home)
    for number, batch in enumerate(tuple(tap.batches)):
        search.look("spans sent", str(number), batch)
    _look_at_store(search, play, tap)
    for name, content in exposed(home):
        search.look("metrics", name, content)
    for number, failure in enumerate(play.answers.failures):
        search.look("error", str(number), failure)
    for number, said in enumerate(play.commands):
        search.look("command", str(number), said)
    search.look("command", "logs", plexus("logs", "-n", "100000", home=home).stdout.encode())
    search.look("chaos output", "stdout and stderr", ran.stdout + ran.stderr)
    search.look_at_files("chaos report", _files(folder / "report"), folder)
    for kept in folder.glob("plexus-chaos-*"):
        search.look_at_files("chaos platform", files_of(kept), folder)
    search.look_at_files("report", _reports(), ROOT)
    return search


def _look_at_store(search: Search, play: Play, tap: Tap) -> None:
    stub = play.platform.runtime_channel()
    get = stub.unary_unary(
        "/plexus.mesh.v1.RuntimeService/GetTrace",
        request_serializer=runtime.GetTraceRequest.SerializeToString,
        response_deserializer=lambda content: content,
    )
    for trace_id in tap.traces():
        with suppress(PlexusError):
            content = get(runtime.GetTraceRequest(trace_id=trace_id))
            search.look("trace kept", trace_id, content)


def _files(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.rglob("*")) if file.is_file()]


def _reports() -> list[Path]:
    told = (".json", ".html", ".txt", ".md")
    return [file for file in _files(ROOT / "build") if file.suffix in told]


def _planted(clean: Search, play: Play, tap: Tap, folder: Path, ran: Ran) -> dict[str, list[str]]:
    """The kinds of place in which a value that was put there by hand is found, and in what form."""
    _plant_span(play.platform.home.traces_socket, tap)
    with (play.home / "logs" / "records-1.log").open("a") as log:
        log.write(json.dumps({"event": "planted", "name": _PLANTED}) + "\n")
    play.answers.failures.append(b"details: " + _PLANTED.encode())
    play.commands.append(_PLANTED.encode())
    files = {
        play.home / "planted.json": _PLANTED.encode().hex(),
        ROOT / "build" / "canary-planted.json": _PLANTED,
        folder / "report" / "planted.html": f"<p>{_PLANTED}</p>",
    }
    for file, content in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    try:
        found = _search(play, tap, folder, ran).found
    finally:
        for file in files:
            file.unlink()
    before = {(hit.place, hit.form) for hit in clean.found}
    kinds: dict[str, list[str]] = {}
    for hit in found:
        if (hit.place, hit.form) not in before:
            kinds.setdefault(hit.place.partition(":")[0], []).append(hit.form)
    return kinds


def _plant_span(socket: Path, tap: Tap) -> None:
    request = otlp.ExportTraceServiceRequest()
    span = (
        request.resource_spans.add()
        .scope_spans.add()
        .spans.add(
            trace_id=b"p" * 16,
            span_id=b"p" * 8,
            name=_PLANTED,
            kind=otlp_trace.Span.SPAN_KIND_SERVER,
        )
    )
    span.attributes.add(key="plexus.x").value.string_value = _PLANTED
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        export: Any = channel.unary_unary(EXPORT)
        export(request.SerializeToString(), timeout=5)
    deadline = time.monotonic() + _PATIENCE
    while not any(_PLANTED.encode() in batch for batch in tuple(tap.batches)):
        assert time.monotonic() < deadline, "the span is not passed on"
        time.sleep(_POLL)
