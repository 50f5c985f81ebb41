"""Counts every call by caller and outcome, refused ones too, and how long it took."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter
from typing import Any

from mesh.server.faults import outcome_of
from mesh.server.incoming import Handle, Incoming, Parts
from plexus.contract import Method


def measure(method: Method, parts: Parts, proceed: Handle) -> Handle:
    """Record the call when it has ended; a stream has ended when its last response has gone."""
    record = parts.metrics.recorder(method.path)

    def handle(incoming: Incoming) -> Any:
        started = perf_counter()
        try:
            response = proceed(incoming)
        except BaseException as error:
            record(incoming.caller, outcome_of(error), perf_counter() - started)
            raise
        record(incoming.caller, "OK", perf_counter() - started)
        return response

    def stream(incoming: Incoming) -> Iterator[Any]:
        started = perf_counter()
        outcome = "OK"
        try:
            yield from proceed(incoming)
        except BaseException as error:
            outcome = outcome_of(error)
            raise
        finally:
            record(incoming.caller, outcome, perf_counter() - started)

    return stream if method.server_streaming else handle
