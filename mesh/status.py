"""What a replica reports of itself: its breakers and what it has answered."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from observability.metrics import CallMetrics
from plexus.client import BreakerView, Channel
from plexus.mesh.v1 import replica_pb2

_STATES = {
    "closed": replica_pb2.BREAKER_STATE_CLOSED,
    "open": replica_pb2.BREAKER_STATE_OPEN,
    "half-open": replica_pb2.BREAKER_STATE_HALF_OPEN,
}


def breaker_rows(channels: Iterable[Channel]) -> list[replica_pb2.Breaker]:
    """Every breaker that is not at rest: open, counting, or with a failure to remember."""
    return [
        _row(view)
        for opened in tuple(channels)
        for view in opened.breakers()
        if view.last_error or view.state != "closed"
    ]


def call_rows(metrics: CallMetrics) -> list[replica_pb2.CallCount]:
    """A row for each method, caller and outcome."""
    return [
        replica_pb2.CallCount(
            method=count.method,
            caller=count.caller,
            outcome=count.outcome,
            count=count.calls,
            seconds=count.seconds,
        )
        for count in metrics.counts()
    ]


def _row(view: BreakerView) -> replica_pb2.Breaker:
    row = replica_pb2.Breaker(
        method=view.method,
        state=_STATES[view.state],
        failures=view.failures,
        last_error=view.last_error,
    )
    if view.state == "open":
        row.next_probe_time.FromDatetime(datetime.now(UTC) + timedelta(seconds=view.next_probe))
    return row
