"""A client: does what it intends, and writes down what it was told."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator

import grpc

from mesh.chaos.history.calls import Call, Calls
from mesh.chaos.history.generator import Intent
from mesh.chaos.history.operation import READS, Answer, Operation, Status
from mesh.runtime.errors import Mistake
from plexus.errors import PlexusError

_REFUSALS = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.ABORTED,
    }
)
"""What a handler says that has done nothing. After anything else, nobody knows."""

_BREATH = 0.1


class Pace:
    """Deals out operations evenly over *seconds*, and more at that rate while *wanted* says so."""

    def __init__(self, operations: int, seconds: float, wanted: Callable[[], bool]) -> None:
        self._operations = operations
        self._spacing = seconds / operations
        self._wanted = wanted
        self._numbers = itertools.count()
        self._began = time.monotonic()
        self._stopped = threading.Event()

    def take(self) -> bool:
        """Wait for the next operation's turn; False when there is none."""
        number = next(self._numbers)
        if number >= self._operations and not self._wanted():
            return False
        due = self._began + number * self._spacing
        self._stopped.wait(max(0.0, due - time.monotonic()))
        return not self._stopped.is_set()

    def stop(self) -> None:
        """Deal out no more."""
        self._stopped.set()


class Client:
    """One client, in a thread of its own. `history` is what it was told, `unsettled` what it is
    not sure of: calls that may have been done or not."""

    def __init__(self, process: int, intents: Iterator[Intent], calls: Calls) -> None:
        self._process = process
        self._intents = intents
        self._calls = calls
        self._thread: threading.Thread | None = None
        self.history: list[Operation] = []
        self.unsettled: list[Call] = []
        self.failure: BaseException | None = None

    def start(self, pace: Pace) -> None:
        """Begin, and go on as long as there are turns."""
        name = f"client-{self._process}"
        self._thread = threading.Thread(target=self._run, args=(pace,), name=name, daemon=True)
        self._thread.start()

    @property
    def is_working(self) -> bool:
        """Whether it has not come to its end."""
        return self._thread is not None and self._thread.is_alive()

    def join(self) -> None:
        """Wait for the end; raises what the client itself stumbled over."""
        if self._thread is not None:
            self._thread.join()
        if self.failure is not None:
            raise self.failure

    def invite(self, patients: int, patience: float) -> None:
        """Import patients to begin with; Mistake when records takes none."""
        deadline = time.monotonic() + patience
        for intent in itertools.islice(self._intents, patients):
            call = self._calls.import_patient(intent)
            while self._do(call) is not Status.OK:
                if time.monotonic() > deadline:
                    raise Mistake(
                        f"records takes in no patients: {self.history[-1].reason}",
                        "see `plexus logs records-1`",
                    )
                time.sleep(_BREATH)

    def resolve(self, patience: float) -> int:
        """Send what is unsettled again until it is settled; how many calls there were."""
        unsettled, self.unsettled = self.unsettled, []
        deadline = time.monotonic() + patience
        for call in unsettled:
            while self._do(call) is Status.UNKNOWN and time.monotonic() < deadline:
                time.sleep(_BREATH)
        self.unsettled = []
        return len(unsettled)

    def _run(self, pace: Pace) -> None:
        try:
            while pace.take():
                intent = next(self._intents)
                call = self._calls.of(intent)
                status = self._do(call)
                if status is Status.UNKNOWN:
                    time.sleep(_BREATH)
                elif status is Status.OK and intent.again and call.key:
                    self._do(call)
        except BaseException as error:  # noqa: BLE001 - raised by `join`
            self.failure = error
            pace.stop()

    def _do(self, call: Call) -> Status:
        began = time.monotonic()
        status, answer, reason = _sent(call)
        self.history.append(
            Operation(
                process=self._process,
                kind=call.kind,
                key=call.key,
                subject=call.subject,
                status=status,
                began=began,
                ended=time.monotonic(),
                amount=call.amount,
                answer=answer,
                reason=reason,
            )
        )
        if status is not Status.OK:
            call.lost(reason if status is Status.FAILED else "")
        if status is Status.UNKNOWN and call.kind not in READS:
            self.unsettled.append(call)
        return status


def _sent(call: Call) -> tuple[Status, Answer | None, str]:
    try:
        return Status.OK, call.send(), ""
    except PlexusError as error:
        status = Status.FAILED if error.status in _REFUSALS else Status.UNKNOWN
        return status, None, error.reason
    except Mistake:
        # No token could be had for the call: it was never sent.
        return Status.FAILED, None, "NO_TOKEN"
