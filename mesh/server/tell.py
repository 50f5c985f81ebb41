"""Tells of a call in one line of the log, when there is something to tell.

Told are the calls that are sampled, those that failed, and those that took a good part of their
deadline. A quick unsampled success is not. The line says who called what and how it ended: ids, the
reason, the fields a refusal names. What was in them it does not say.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from time import perf_counter
from typing import Any, Final

import structlog
from google.protobuf.message import Message

from mesh import meaning
from mesh.server.faults import fault_of, outcome_of
from mesh.server.incoming import Handle, Incoming, Parts
from observability.logs import cause
from observability.redaction import redact
from plexus.client import Inbound, traceparent
from plexus.contract import Method
from plexus.errors import Fault

_log = structlog.get_logger()

_LEVELS: Final = {
    # The platform's account: somebody has to look.
    **dict.fromkeys(("UNKNOWN", "INTERNAL", "DATA_LOSS", "UNAVAILABLE"), "error"),
    **dict.fromkeys(("DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"), "error"),
    # Somebody tried what no contract allows them.
    **dict.fromkeys(("PERMISSION_DENIED", "UNAUTHENTICATED"), "warning"),
}
_GONE: Final = "CANCELLED"


def tell(method: Method, parts: Parts, proceed: Handle) -> Handle:
    """Write the line when the call has ended; for a stream that is when its last response has gone."""
    del parts
    slow = meaning.SLOW_SHARE * method.deadline
    brake = Brake(meaning.TOLD_A_SECOND)

    def handle(incoming: Incoming) -> Any:
        began = perf_counter()
        try:
            response = proceed(incoming)
        except BaseException as error:
            _failed(method, incoming, error, perf_counter() - began, brake)
            raise
        took = perf_counter() - began
        if incoming.work.sampled or took > slow:
            _succeeded(method, incoming, took, slow)
        return response

    def stream(incoming: Incoming) -> Iterator[Any]:
        began = perf_counter()
        try:
            yield from proceed(incoming)
        except BaseException as error:
            _failed(method, incoming, error, perf_counter() - began, brake)
            raise
        # How long a stream lives is its reader's choice.
        if incoming.work.sampled:
            _succeeded(method, incoming, perf_counter() - began, float("inf"))

    return stream if method.server_streaming else handle


class Brake:
    """Lets so many through in a second for each reason, and counts what it holds back.

    What fails a thousand times a second fails for one reason, and the log is no place to count.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[int, int]] = {}

    def passes(self, reason: str, now: float) -> tuple[bool, int]:
        """Whether the next of *reason* is told at *now*, and how many before it were not."""
        second = int(now)
        with self._lock:
            since, count = self._seen.get(reason, (second, 0))
            held = 0
            if since != second:
                held, count = max(0, count - self._most), 0
            self._seen[reason] = (second, count + 1)
        return count < self._most, held


def _succeeded(method: Method, incoming: Incoming, took: float, slow: float) -> None:
    told = _told(method, incoming, "OK", took)
    if took > slow:
        _log.warning("slow call", **told, **_asked(incoming))
    else:
        _log.info("call", **told)


def _failed(
    method: Method, incoming: Incoming, error: BaseException, took: float, brake: Brake
) -> None:
    outcome = outcome_of(error)
    if outcome == _GONE:
        if incoming.work.sampled:
            _log.info("call", **_told(method, incoming, outcome, took))
        return
    fault = fault_of(error)
    passes, held = brake.passes(fault.reason.name, perf_counter())
    if not passes:
        return
    told = {**_told(method, incoming, outcome, took), "reason": fault.reason.name}
    if held:
        told["left_out"] = held
    why = _why(incoming, error, fault)
    told.update({name: value for name, value in why.items() if name not in told})
    getattr(_log, _LEVELS.get(outcome, "info"))("call", **told)


def _told(method: Method, incoming: Incoming, outcome: str, took: float) -> dict[str, Any]:
    work = incoming.work
    told: dict[str, Any] = {
        "trace_id": trace_id_of(work),
        "caller": incoming.caller,
        "method": method.path,
        "outcome": outcome,
        "duration_ms": round(took * 1000, 2),
    }
    if work.queued:
        told["queued_ms"] = round(work.queued * 1000, 2)
    if work.degradations:
        told["degraded"] = [each.dependency for each in work.degradations]
    return told


def _why(incoming: Incoming, error: BaseException, fault: Fault) -> dict[str, Any]:
    """What explains a failure: the fields and rules of a refusal, or the kind and place of a defect."""
    told: dict[str, Any] = dict(fault.metadata)
    if fault.violations:
        # Until it has passed its rules a request may hold anything anywhere, ids included.
        told["violations"] = [f"{each.field}: {each.rule}" for each in fault.violations]
    else:
        told.update(_asked(incoming))
    if origin := error.__cause__ if error is fault else error:
        told.update(cause(origin))
    return told


def _asked(incoming: Incoming) -> dict[str, Any]:
    request = incoming.request
    # A stream of requests has been read, and is not kept.
    return {"request": redact(request)} if isinstance(request, Message) else {}


def trace_id_of(work: Inbound) -> str:
    """The trace that *work* is part of; empty when its caller sent what is no trace context."""
    header = work.traceparent
    return traceparent.trace_id_of(header) if traceparent.is_valid(header) else ""
