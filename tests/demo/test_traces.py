"""Spans of many processes, put together as one tree."""

from __future__ import annotations

from demo.traces import drawn, grow, services_of, simplify
from plexus.mesh.v1.runtime_service_pb2 import Span

SEND = "plexus.triage.v1.TriageService/SendMessage"
CHART = "plexus.records.v1.RecordsService/GetChart"
SLOTS = "plexus.scheduling.v1.SchedulingService/FindSlots"


def span(
    number: str, parent: str, service: str, name: str, kind: str, start: int, end: int
) -> Span:
    made = Span(span_id=number, parent_span_id=parent, service=service, name=name, kind=kind)
    made.start_time.FromMilliseconds(1_000 + start)
    made.end_time.FromMilliseconds(1_000 + end)
    return made


SPANS = (
    span("6", "2", "triage", SLOTS, "client", 20, 28),
    span("1", "gone", "edge", SEND, "client", 0, 40),
    span("2", "1", "triage", SEND, "server", 2, 38),
    span("3", "2", "triage", CHART, "client", 5, 15),
    span("4", "3", "records", CHART, "server", 7, 14),
)


def test_a_call_is_shown_once_as_the_callee_saw_it_and_the_caller_at_the_root() -> None:
    (root,) = map(simplify, grow(SPANS))
    shown = [(stem, branch.service, branch.start, branch.length) for stem, branch in drawn(root)]
    assert shown == [
        ("", "edge", 0.0, 40.0),
        ("└─ ", "triage", 2.0, 36.0),
        ("   ├─ ", "records", 7.0, 7.0),
        ("   └─ ", "triage", 20.0, 8.0),  # nobody answered this one: the caller's span stays
    ]


def test_services_are_named_in_the_order_in_which_they_come_in() -> None:
    assert services_of(SPANS) == ["edge", "triage", "records"]


def test_no_spans_are_no_tree() -> None:
    assert (grow(()), services_of(())) == ((), [])
