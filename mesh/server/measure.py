"""Counts every call by caller and outcome, refused ones too, and how long it took."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter
from typing import Any, Final

from mesh.server.faults import outcome_of
from mesh.server.incoming import Handle, Incoming, Parts
from plexus.contract import Method, Need

# gRPC's own word (gRFC A6) for how many attempts at this call have failed before.
_PREVIOUS: Final = "grpc-previous-rpc-attempts"


def measure(method: Method, parts: Parts, proceed: Handle) -> Handle:
    """Record the call when it has ended; a stream has ended when its last response has gone."""
    record = parts.metrics.recorder(method.path)
    retried = parts.metrics.retries(method.path)
    degraded = parts.metrics.degradations(
        method.path, (call.method for call in method.declared if call.need is Need.OPTIONAL)
    )

    def handle(incoming: Incoming) -> Any:
        started = perf_counter()
        if _PREVIOUS in incoming.metadata:
            retried()
        try:
            response = proceed(incoming)
        except BaseException as error:
            record(incoming.caller, outcome_of(error), perf_counter() - started)
            raise
        record(incoming.caller, "OK", perf_counter() - started)
        for lacking in incoming.work.degradations:
            degraded(lacking.dependency)
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
