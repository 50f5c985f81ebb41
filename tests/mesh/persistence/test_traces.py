"""What of a service's own work with its database, and of what follows from a call, a trace shows."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from mesh.persistence import Database, Entry, Follower
from mesh.persistence.causes import following
from plexus.client import Inbound, traceparent, working
from tests.mesh.persistence.clinic import OpenCall, effects, events, record, recorded
from tests.spans import happened, id_of, parent_of, told, trace_of
from tests.spans import recorded as spans_recorded

SECRET = "Zebulon"


def call(*, sampled: bool) -> Inbound:
    """A call being answered, that nobody else knows of."""
    header = f"00-{'a' * 32}-{'b' * 16}-{int(sampled):02d}"
    work = Inbound(name="test", calls={}, deadline=float("inf"), traceparent=header)
    work.sampled = sampled
    return work


def test_a_statement_shows_with_its_text_and_none_of_its_values(clinic: Database) -> None:
    with spans_recorded() as spans, working(call(sampled=True)):
        with trace.get_tracer("test").start_as_current_span("call") as outer:
            with clinic.write() as tx:
                record(tx, SECRET, 1)
            with clinic.read() as tx:
                tx.execute(sa.select(effects).where(effects.c.id == SECRET)).all()
    insert, select, _ = spans.all()
    assert [span.name for span in (insert, select)] == ["INSERT effects", "SELECT effects"]
    assert {parent_of(span) for span in (insert, select)} == {outer.get_span_context().span_id}
    assert "INSERT INTO effects" in told(insert)["db.query.text"]
    system = "sqlite" if clinic.is_sqlite else "postgresql"
    assert told(insert)["db.system.name"] == system
    assert all(SECRET not in span.to_json() for span in spans.all())


def test_a_statement_that_fails_shows_how_and_not_with_what(clinic: Database) -> None:
    with spans_recorded() as spans, working(call(sampled=True)):
        with pytest.raises(sa.exc.DBAPIError), clinic.write() as tx:
            tx.execute(sa.text("SELECT :value FROM nowhere"), {"value": SECRET})
    (span,) = spans.all()
    assert span.status.status_code is StatusCode.ERROR
    assert told(span)["error.type"]
    assert SECRET not in span.to_json()


@pytest.mark.parametrize("works", [True, False], ids=["an unsampled call", "nobody's work"])
def test_what_is_not_sampled_shows_no_statement(clinic: Database, works: bool) -> None:
    with spans_recorded() as spans:
        if works:
            with working(call(sampled=False)), clinic.write() as tx:
                record(tx, "x", 1)
        else:
            with clinic.write() as tx:
                record(tx, "x", 1)
    assert spans.all() == ()


def test_waiting_for_another_writer_shows(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mesh.persistence.database._WORTH_TELLING", 0.0)
    begun, go = threading.Event(), threading.Event()
    database = Database(sqlite_url)

    def hold() -> None:
        with database.write():
            begun.set()
            go.wait(10)

    def write() -> None:
        with trace.get_tracer("test").start_as_current_span("call"), database.write():
            pass

    def waiting() -> int:
        return sum(view.queue[0] for view in database.pools() if view.queue)

    with spans_recorded() as spans, ThreadPoolExecutor(2) as threads:
        held = threads.submit(hold)
        assert begun.wait(5)
        later = threads.submit(write)
        while not waiting():
            time.sleep(0.002)
        go.set()
        held.result(5)
        later.result(5)
    database.close()
    (outer,) = spans.all()
    ((name, attributes),) = happened(outer)
    assert name == "plexus.store.queued"
    assert attributes["plexus.seconds"] > 0


@pytest.mark.parametrize("sampled", [True, False], ids=["sampled", "unsampled"])
def test_applying_an_event_is_a_trace_of_its_own_with_a_link_to_what_caused_it(
    clinic: Database, sampled: bool
) -> None:
    cause = call(sampled=sampled)
    with working(cause), clinic.write() as tx:
        events.append(tx, b"event")
    with clinic.write() as tx:
        # From before causes were kept.
        tx.execute(sa.text("UPDATE feeds SET last = 2"))
        tx.execute(sa.insert(events.table).values(sequence=2, payload=b"", create_time=0))
    opened = OpenCall()
    follower = Follower[Entry](
        "claims",
        clinic,
        subscribe=lambda after: events.stream(clinic, after, opened),
        sequence_of=lambda entry: entry.sequence,
        apply=lambda tx, entry: record(tx, f"eff_{entry.sequence}", entry.sequence),
        causes_of=lambda entry: (entry.traceparent,),
    )
    with spans_recorded() as spans:
        follower.start()
        deadline = time.monotonic() + 10
        while recorded(clinic) != [1, 2]:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        opened.cancel()
        follower.stop()
    if not sampled:
        assert spans.all() == ()
        return
    applied = spans.one(SpanKind.CONSUMER)
    (link,) = applied.links
    assert f"{link.context.trace_id:032x}" == traceparent.trace_id_of(cause.traceparent)
    assert link.context.span_id == traceparent.span_id_of(cause.traceparent)
    assert (applied.name, parent_of(applied)) == ("process claims", 0)
    assert trace_of(applied) != traceparent.trace_id_of(cause.traceparent)
    # What it does is part of its trace, and nothing else is.
    inside = [span for span in spans.all() if span is not applied]
    assert {(span.name, parent_of(span)) for span in inside} == {("INSERT effects", id_of(applied))}


def test_an_effect_that_fails_ends_its_span_with_the_kind_of_failure(clinic: Database) -> None:
    with spans_recorded() as spans:
        with pytest.raises(LookupError), following("claims", [call(sampled=True).traceparent]):
            raise LookupError(SECRET)
    (span,) = spans.all()
    assert told(span)["error.type"] == "LookupError"
    assert SECRET not in span.to_json()


def test_a_feed_that_looks_for_news_all_day_shows_no_statements(clinic: Database) -> None:
    with clinic.write() as tx:
        events.append(tx, b"event")
    with spans_recorded() as spans, working(call(sampled=True)):
        assert next(events.stream(clinic, 0, OpenCall())).payload == b"event"
    assert spans.all() == ()
