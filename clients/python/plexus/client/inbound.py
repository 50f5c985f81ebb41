"""The work that outgoing calls are part of: an inbound call being served, or a background task."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

from plexus.client.traceparent import new_span_id
from plexus.contract import Call, Method
from plexus.errors import Fault
from plexus.type.v1 import degradation_pb2
from plexus.type.v1.errors_pb2 import PlatformError

_REQUEST_IDS = uuid.UUID("7d0f2c0e-2f5c-5a39-9d3a-6f1f6f5f9b10")


@dataclass(slots=True)
class Inbound:
    """One piece of work. *deadline* is on the monotonic clock; *calls* are those its contract declares.

    *caller* is the workload or token subject that asked for it; empty for a background task.
    *is_active* tells whether that caller still waits. *waited* is the time spent in calls so far,
    *queued* the time before it was begun. *traceparent* names the trace it is part of; when that is
    not *sampled*, *span_id* is the id its span will have, 0 as long as there is no need of one.
    """

    name: str
    calls: Mapping[str, Call]
    deadline: float
    caller: str = ""
    method: Method | None = None
    request_id: str = ""
    traceparent: str = ""
    sampled: bool = False
    is_active: Callable[[], bool] | None = None
    waited: float = 0.0
    queued: float = 0.0
    span_id: int = 0
    degradations: list[degradation_pb2.Degradation] = field(default_factory=list)
    _writes: int = 0

    def remaining(self) -> float:
        """Seconds until the deadline; negative when it has passed."""
        return self.deadline - time.monotonic()

    def is_over(self) -> bool:
        """Whether nobody waits for the outcome any more: the time is up, or the caller has gone."""
        return self.remaining() <= 0 or not (self.is_active is None or self.is_active())

    def own_span(self) -> int:
        """The id of this work's own span, which is to be made when the work is over."""
        self.span_id = self.span_id or new_span_id()
        return self.span_id

    def next_request_id(self, callee: str) -> str:
        """The id for the next write this work makes: the same again when the work is repeated."""
        self._writes += 1
        if not self.request_id:
            return uuid.uuid4().hex
        return uuid.uuid5(_REQUEST_IDS, f"{self.request_id}/{callee}/{self._writes}").hex


_inbound: ContextVar[Inbound | None] = ContextVar("plexus_inbound", default=None)


def inbound() -> Inbound | None:
    """The work in progress in this thread, if any."""
    return _inbound.get()


def go_on() -> None:
    """Stop the work in progress when nobody waits for it any more: Fault DEADLINE_EXHAUSTED.

    Called at every step worth not taking: before a call, before a transaction.
    """
    work = _inbound.get()
    if work is not None and work.is_over():
        raise Fault(
            PlatformError,
            PlatformError.PLATFORM_ERROR_DEADLINE_EXHAUSTED,
            method=work.name,
        )


class working:  # noqa: N801 - it is written as a function is
    """Make *work* the work in progress; calls made inside are its calls."""

    __slots__ = ("_token", "_work")

    def __init__(self, work: Inbound) -> None:
        self._work = work

    def __enter__(self) -> Inbound:
        self._token = _inbound.set(self._work)
        return self._work

    def __exit__(self, *_: object) -> None:
        _inbound.reset(self._token)
