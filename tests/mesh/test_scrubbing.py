"""What of a span leaves the process."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
    set_span_in_context,
)

from observability.scrubbing import Scrubbing

SECRET = "Zebulon"


@pytest.fixture
def left() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(left: InMemorySpanExporter) -> Tracer:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(Scrubbing(left)))
    return provider.get_tracer("test")


def text(spans: Sequence[ReadableSpan]) -> str:
    return "".join(f"{span.to_json()}{span.context}{span.parent}" for span in spans)


def test_a_span_that_an_exception_ends_says_of_which_type_it_was(
    tracer: Tracer, left: InMemorySpanExporter
) -> None:
    with pytest.raises(sqlite3.IntegrityError), tracer.start_as_current_span("statement"):
        raise sqlite3.IntegrityError(f"Key (name)=({SECRET}) already exists")
    (span,) = left.get_finished_spans()
    assert SECRET not in text([span])
    assert span.status.status_code is StatusCode.ERROR
    assert [dict(event.attributes or {}) for event in span.events] == [
        {"exception.type": "sqlite3.IntegrityError"}
    ]


@pytest.mark.parametrize(
    ("name", "passes"),
    [
        ("rpc.method", True),
        ("plexus.error.reason", True),
        ("db.statement", True),
        ("net.peer.ip", True),
        ("db.query.parameter.name", False),
        ("db.statement.parameters", False),
        ("rpc.request.metadata.authorization", False),
        ("rpc.user_agent", False),
        ("exception.message", False),
        ("enduser.id", False),
        ("patient", False),
    ],
)
def test_attributes_leave_by_name(
    tracer: Tracer, left: InMemorySpanExporter, name: str, passes: bool
) -> None:
    with tracer.start_as_current_span("call", attributes={name: SECRET}) as span:
        span.add_event("happening", {name: SECRET})
    (told,) = left.get_finished_spans()
    assert (name in (told.attributes or {}), SECRET in text([told])) == (passes, passes)


@pytest.mark.parametrize(
    ("described", "left_of_it"),
    [
        ("SLOT_TAKEN", "SLOT_TAKEN"),
        ("UNAVAILABLE", "UNAVAILABLE"),
        (f"ValueError: {SECRET} is no name", None),
    ],
)
def test_a_status_is_described_by_a_word_or_not_at_all(
    tracer: Tracer, left: InMemorySpanExporter, described: str, left_of_it: str | None
) -> None:
    with tracer.start_as_current_span("call") as span:
        span.set_status(Status(StatusCode.ERROR, described))
    (told,) = left.get_finished_spans()
    assert told.status.description == left_of_it


def test_what_a_caller_put_into_a_header_stays_behind(
    tracer: Tracer, left: InMemorySpanExporter
) -> None:
    sampled, state = TraceFlags(TraceFlags.SAMPLED), TraceState([("x", SECRET)])
    caller = SpanContext(7, 8, is_remote=True, trace_flags=sampled, trace_state=state)
    with tracer.start_as_current_span(
        "call", context=set_span_in_context(NonRecordingSpan(caller))
    ):
        pass
    (told,) = left.get_finished_spans()
    assert told.parent is not None
    assert (told.parent.span_id, SECRET in text([told])) == (8, False)


def test_a_span_with_nothing_to_hide_leaves_as_it_is(
    tracer: Tracer, left: InMemorySpanExporter
) -> None:
    with tracer.start_as_current_span("call", attributes={"rpc.method": "GetPatient"}) as span:
        pass
    (told,) = left.get_finished_spans()
    assert told.attributes == getattr(span, "attributes", None)
