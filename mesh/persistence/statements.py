"""Database statements on the trace of a sampled call: their text, which holds no values.

OpenTelemetry's instrumentation of SQLAlchemy asks its tracer about every statement, 19 µs for one of a
call that is not sampled (and there is none for this version of SQLAlchemy). Here such a statement
costs a look at the work in progress.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from opentelemetry import trace
from sqlalchemy import Connection, Engine, ExceptionContext, event

from plexus.client import inbound

_SPAN: Final = "mesh.persistence.span"
# A text is not longer than it takes to tell which statement it is.
_LONGEST: Final = 2_000
_TABLE: Final = re.compile(r"\b(?:FROM|INTO|UPDATE)\s+\"?([A-Za-z_]+)", re.IGNORECASE)


def show(engine: Engine) -> None:
    """Make a span of every statement that *engine* executes for a sampled call."""
    system = {"sqlite": "sqlite"}.get(engine.dialect.name, "postgresql")
    tracer = trace.get_tracer(__name__)

    @event.listens_for(engine, "before_cursor_execute")
    def _begin(
        connection: Connection, _: object, statement: str, rows: Any, __: object, many: bool
    ) -> None:
        work = inbound()
        if work is None or not work.sampled:
            return
        name, told = _described(system, statement)
        span = tracer.start_span(name, kind=trace.SpanKind.CLIENT, attributes=told)
        if many:
            span.set_attribute("plexus.rows", len(rows))
        connection.info[_SPAN] = span

    @event.listens_for(engine, "after_cursor_execute")
    def _end(connection: Connection, *_: object) -> None:
        work = inbound()
        if work is not None and work.sampled:
            _close(connection, None)

    @event.listens_for(engine, "handle_error")
    def _fail(context: ExceptionContext) -> None:
        if context.connection is not None:
            _close(context.connection, context.original_exception)


def _close(connection: Connection, error: BaseException | None) -> None:
    span: trace.Span | None = connection.info.pop(_SPAN, None)
    if span is None:
        return
    if error is not None:
        # Its text may quote a value.
        kind = type(error).__name__
        span.set_attribute("error.type", kind)
        span.set_status(trace.StatusCode.ERROR, kind)
    span.end()


@lru_cache(512)
def _described(system: str, statement: str) -> tuple[str, Mapping[str, str]]:
    operation = statement.split(None, 1)[0].upper()
    told = {
        "db.system.name": system,
        "db.operation.name": operation,
        "db.query.text": statement[:_LONGEST],
    }
    table = _TABLE.search(statement)
    if table is None:
        return operation, told
    told["db.collection.name"] = table[1]
    return f"{operation} {table[1]}", told
