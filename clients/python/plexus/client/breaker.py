"""Stops calling a method that does not work, and lets one probe at a time find out whether it does again.

pybreaker is the state machine: it counts and moves between states. It is only told of outcomes,
never wrapped around a call, because it holds a lock while it runs what it is given. Time is ours and
monotonic, so that a step of the wall clock does not hold a breaker open.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
import pybreaker

from plexus.client.inbound import inbound
from plexus.client.outgoing import Outgoing, Parts, Send
from plexus.client.spans import DEPENDENCY, note
from plexus.contract import Method, Need
from plexus.errors import Fault, PlexusError, from_fault
from plexus.type.v1.errors_pb2 import PlatformError

SICKNESS = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)
"""What tells of a sick callee. A business error tells of a healthy one; a cancelled call of nothing."""


@dataclass(frozen=True, slots=True)
class BreakerView:
    """A breaker at one instant. *next_probe* is in seconds from now, 0 unless open.

    *openings*, *refusals* and *probes* are counted from the start.
    """

    method: str
    state: str
    failures: int
    last_error: str
    next_probe: float
    openings: int
    refusals: int
    probes: int


class Breaker:
    """The breaker of one method of a dependency."""

    def __init__(self, method: str, failures: int, seconds: float) -> None:
        self.method = method
        self._seconds = seconds
        self._machine = pybreaker.CircuitBreaker(fail_max=failures, reset_timeout=seconds)
        self._probe = threading.Lock()
        self._probe_at = 0.0
        self._last_error = ""
        self._openings = 0
        self._refusals = 0
        self._probes = 0
        self.answers = 0
        """Grows with every call that was answered. Not a count: threads may add at once."""

    @property
    def is_closed(self) -> bool:
        """Whether calls pass."""
        return self._machine.current_state == pybreaker.STATE_CLOSED

    def admit_probe(self) -> bool:
        """Whether the caller may be the one probe; it then reports through `settle`."""
        if time.monotonic() < self._probe_at or not self._probe.acquire(blocking=False):
            return False
        self._probes += 1
        self._note("probed")
        return True

    def settle(self, failure: PlexusError | None) -> None:
        """Report how the probe went."""
        if failure is None or _is_health(failure):
            self.answers += 1
            self._machine.close()
            self._note("closed")
        elif failure.status in SICKNESS:
            self._open(failure)
            self._note("opened")
        self._probe.release()

    def succeeded(self) -> None:
        """A call passed: failures are only counted in a row."""
        self.answers += 1
        if self._machine.fail_counter:
            self._tell(None)

    def failed(self, failure: PlexusError, answers: int | None = None) -> None:
        """A call did not pass; enough of them in a row open the breaker.

        With *answers*, as they were when the call began, it counts only when nobody has been answered
        since: a callee that answers others is slow, and all who waited for it at one bad moment are not
        as many signs that it is gone.
        """
        if failure.status in SICKNESS:
            self._last_error = failure.status.name
            if answers is None or answers == self.answers:
                self._tell(failure)
        elif _is_health(failure):
            self.succeeded()

    def view(self) -> BreakerView:
        """The breaker now."""
        state = self._machine.current_state
        if state == pybreaker.STATE_OPEN and self._probe.locked():
            state = pybreaker.STATE_HALF_OPEN
        wait = max(0.0, self._probe_at - time.monotonic()) if state == pybreaker.STATE_OPEN else 0.0
        failures = self._machine.fail_counter
        return BreakerView(
            method=self.method,
            state=state,
            failures=failures,
            last_error=self._last_error,
            next_probe=wait,
            openings=self._openings,
            refusals=self._refusals,
            probes=self._probes,
        )

    def refusal(self) -> PlexusError:
        """What a caller gets at once while the breaker is open."""
        self._refusals += 1
        self._note("refused")
        return from_fault(
            Fault(
                PlatformError,
                PlatformError.PLATFORM_ERROR_DEPENDENCY_UNAVAILABLE,
                dependency=self.method,
            )
        )

    def _open(self, failure: PlexusError) -> None:
        self._last_error = failure.status.name
        self._probe_at = time.monotonic() + self._seconds
        self._machine.open()

    def _note(self, what: str) -> None:
        note(f"plexus.breaker.{what}", {DEPENDENCY: self.method})

    def _tell(self, failure: PlexusError | None) -> None:
        was_closed = self.is_closed
        try:
            self._machine.call(_outcome, failure)
        except (PlexusError, pybreaker.CircuitBreakerError):
            if was_closed and not self.is_closed:
                self._openings += 1
                self._note("opened")
                self._probe_at = time.monotonic() + self._seconds


def breaker(method: Method, parts: Parts, proceed: Send) -> Send:
    """Answer at once with DEPENDENCY_UNAVAILABLE while the method's breaker is open."""
    tuning = parts.tuning
    guard = parts.breakers.setdefault(
        method.path, Breaker(method.path, tuning.breaker_failures, tuning.breaker_seconds)
    )

    def send(out: Outgoing) -> Any:
        if not guard.is_closed:
            return probe(out)
        answers = guard.answers
        try:
            response = proceed(out)
        except PlexusError as failure:
            guard.failed(failure, answers)
            raise
        guard.succeeded()
        return response

    def probe(out: Outgoing) -> Any:
        if not guard.admit_probe():
            raise guard.refusal()
        if method.read_only and _is_optional(method):
            # Who can do without the answer does not wait to learn whether there is one.
            threading.Thread(target=attempt, args=(out,), name="probe", daemon=True).start()
            raise guard.refusal()
        return settled(out)

    def attempt(out: Outgoing) -> None:
        # The breaker keeps what it learns; there is nobody else to tell.
        with suppress(PlexusError):
            settled(out)

    def settled(out: Outgoing) -> Any:
        failure: PlexusError | None = None
        try:
            return proceed(out)
        except PlexusError as error:
            failure = error
            raise
        finally:
            guard.settle(failure)

    return send


def _is_optional(method: Method) -> bool:
    work = inbound()
    call = work.calls.get(method.path) if work else None
    return call is not None and call.need is Need.OPTIONAL


def _outcome(failure: PlexusError | None) -> None:
    if failure is not None:
        raise failure


def _is_health(failure: PlexusError) -> bool:
    return failure.status not in SICKNESS and failure.status is not grpc.StatusCode.CANCELLED
