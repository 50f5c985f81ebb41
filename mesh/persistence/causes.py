"""The span of applying an event: a trace of its own, linked to the traces of the calls that caused it.

It is made when one of those calls was sampled. It is no part of their trace: that was over when its
caller had an answer, and what follows may come a day later, and for many calls at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context

from plexus.client import Inbound, inbound, traceparent, working

# What a batch of hundreds leads back to need not be written down in full.
_MOST: Final = 64


@contextmanager
def following(follower: str, causes: Iterable[str]) -> Iterator[None]:
    """Do what is inside as the effect of *causes*, trace contexts of calls; invalid ones are none."""
    known = [cause for cause in causes if traceparent.is_valid(cause)]
    sampled = [cause for cause in known if traceparent.is_sampled(cause)][:_MOST]
    if not sampled:
        yield
        return
    span = trace.get_tracer(__name__).start_span(
        f"process {follower}",
        context=Context(),
        kind=trace.SpanKind.CONSUMER,
        links=[trace.Link(_context(cause)) for cause in sampled],
        attributes={
            "messaging.system": "plexus",
            "messaging.operation.type": "process",
            "messaging.consumer.group.name": follower,
            "messaging.batch.message_count": len(known),
        },
    )
    work = inbound() or Inbound(name=follower, calls={}, deadline=float("inf"))
    header = traceparent.of(span.get_span_context(), sampled=True)
    try:
        with (
            trace.use_span(span, record_exception=False, set_status_on_exception=False),
            working(replace(work, sampled=True, traceparent=header)),
        ):
            yield
    except Exception as error:
        # Its text may quote what was being worked on.
        kind = type(error).__name__
        span.set_attribute("error.type", kind)
        span.set_status(trace.StatusCode.ERROR, kind)
        raise
    finally:
        span.end()


def _context(cause: str) -> trace.SpanContext:
    return trace.SpanContext(
        trace_id=int(traceparent.trace_id_of(cause), 16),
        span_id=traceparent.span_id_of(cause),
        is_remote=True,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
    )
