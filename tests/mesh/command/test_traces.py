"""`plexus trace` and `plexus traces`: what a person sees of what was kept."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from mesh.command.traces import _seconds, table, tree
from mesh.runtime.critical import critical_path
from mesh.runtime.errors import Mistake
from plexus.mesh.v1.runtime_service_pb2 import Span, SpanAttribute, SpanEvent, TraceSummary

BOOK = "plexus.scheduling.v1.SchedulingService/BookAppointment"
ASK = "plexus.records.v1.RecordsService/GetPatient"


def span(
    number: str, parent: str, service: str, name: str, start: int, end: int, **more: Any
) -> Span:
    made = Span(
        span_id=number, parent_span_id=parent, service=service, replica=f"{service}-1", name=name
    )
    made.MergeFrom(Span(**{"kind": "server", "status": "OK", **more}))
    made.start_time.FromMilliseconds(1_000 + start)
    made.end_time.FromMilliseconds(1_000 + end)
    return made


def event(name: str, at: int, **told: str) -> SpanEvent:
    made = SpanEvent(name=name, attributes=[SpanAttribute(key=k, value=v) for k, v in told.items()])
    made.time.FromMilliseconds(1_000 + at)
    return made


def statement(text: str) -> list[SpanAttribute]:
    return [SpanAttribute(key="db.query.text", value=text)]


SPANS = [
    span("a", "gone", "scheduling", BOOK, 0, 100, events=[event("plexus.degraded", 61, why="x")]),
    span("b", "a", "scheduling", ASK, 10, 60, kind="client", status="UNAVAILABLE", reason="NO"),
    span("c", "a", "scheduling", "INSERT appointments", 70, 95, attributes=statement("INSERT x")),
    # Over before what was waited for had begun.
    span("d", "a", "scheduling", "SELECT clinics", 1, 9, kind="client"),
    span("e", "a", "scheduling", "SELECT types", 20, 23, attributes=statement("SELECT y")),
]


def shown(renderable: Any) -> list[str]:
    console = Console(file=StringIO(), width=200, color_system=None)
    console.print(renderable)
    written = console.file
    assert isinstance(written, StringIO)
    return [line.rstrip() for line in written.getvalue().splitlines()]


def test_a_trace_is_a_tree_with_times_reasons_events_and_its_critical_path() -> None:
    assert shown(tree("f" * 32, SPANS, ["9" * 32])) == [
        f"trace {'f' * 32} 100.0 ms, ◆ critical path",
        "├── ◆ scheduling-1 SchedulingService/BookAppointment server at +0.0 ms for 100.0 ms OK",
        "│   ├── plexus.degraded at +61.0 ms why=x",
        "│   ├── ◆ scheduling-1 RecordsService/GetPatient client at +10.0 ms for 50.0 ms"
        " UNAVAILABLE NO",
        "│   ├── ◆ scheduling-1 INSERT appointments at +70.0 ms for 25.0 ms OK",
        "│   │   └── text=INSERT x",
        "│   ├── ◆ scheduling-1 SELECT clinics at +1.0 ms for 8.0 ms OK",
        "│   └── scheduling-1 SELECT types at +20.0 ms for 3.0 ms OK",
        f"└── followed by trace {'9' * 32}",
    ]


def test_what_runs_beside_the_critical_path_is_not_on_it() -> None:
    assert critical_path(SPANS) == {"a", "b", "c", "d"}
    assert critical_path([]) == frozenset()


def test_a_span_that_names_itself_its_parent_does_not_go_round_for_ever() -> None:
    odd = [span("a", "b", "x", BOOK, 0, 9), span("b", "a", "x", BOOK, 0, 9)]
    assert critical_path(odd) == frozenset()
    assert len(shown(tree("f" * 32, odd))) == 1


def test_a_list_of_traces_says_of_each_what_it_was_and_why_it_failed() -> None:
    summary = TraceSummary(
        trace_id="f" * 32, root=BOOK, services=["edge", "scheduling"], status="OK", reason="NO"
    )
    summary.start_time.FromMilliseconds(5)
    summary.duration.FromMilliseconds(7)
    (_, line) = shown(table([summary]))
    assert re.split(r"  +", line.strip()) == [
        "f" * 32,
        "00:00:00.005",
        "7.0 ms",
        "SchedulingService/BookAppointment",
        "edge, scheduling",
        "OK NO",
    ]


@pytest.mark.parametrize(
    ("text", "seconds"), [("200ms", 0.2), ("1.5s", 1.5), ("2m", 120.0), ("200", None), ("x", None)]
)
def test_a_time_is_written_with_its_unit(text: str, seconds: float | None) -> None:
    if seconds is None:
        with pytest.raises(Mistake, match="is no time"):
            _seconds(text)
    else:
        assert _seconds(text) == seconds
