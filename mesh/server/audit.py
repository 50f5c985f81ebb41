"""Leaves a record of every call that touches what is known of a person, before its answer leaves.

Whether a method is audited and which patient a call is about follow from its contract. A refusal leaves
a record too; it names the patient when the request was read, which a stranger's never is. Without a
record there is no answer: AUDIT_UNAVAILABLE.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from typing import Any, Final

from mesh import clock
from mesh.audit.entry import Stamps
from mesh.audit.failures import JournalUnavailable
from mesh.server.faults import fault_of, outcome_of
from mesh.server.incoming import Book, Handle, Incoming, Parts
from plexus.client.traceparent import trace_id_of
from plexus.contract import Method, can_name_patient, patients
from plexus.errors import Fault
from plexus.type.v1.errors_pb2 import PlatformError

_OK: Final = "OK"
_GONE: Final = "CANCELLED"
_stamps: Final = Stamps()
# Of how many patients a stream remembers that it has told of them.
_REMEMBERED: Final = 10_000


class Unrecorded(Fault):
    """The record could not be written."""

    def __init__(self) -> None:
        super().__init__(PlatformError, PlatformError.PLATFORM_ERROR_AUDIT_UNAVAILABLE)


def audit(method: Method, parts: Parts, proceed: Handle) -> Handle:
    """Write the record when it is known how the call ends; of a stream, also before it tells of
    another patient, and when it has ended."""
    if parts.book is None or not method.audited:
        return proceed
    scribe = _Scribe(method, parts, parts.book)
    ask_names = can_name_patient(method.input) and not method.client_streaming
    answer_names = can_name_patient(method.output)

    check, write = scribe.check, scribe.write

    def asked(incoming: Incoming) -> dict[str, None]:
        return patients(incoming.request) if ask_names and incoming.request is not None else {}

    def handle(incoming: Incoming) -> Any:
        check()
        try:
            response = proceed(incoming)
        except BaseException as error:
            write(incoming, asked(incoming), error)
            raise
        if ask_names and answer_names:
            named = patients(incoming.request, response)
        else:
            named = patients(response) if answer_names else asked(incoming)
        write(incoming, named)
        return response

    def stream(incoming: Incoming) -> Iterator[Any]:
        check()
        told: dict[str, None] = {}
        answers = 0
        try:
            with closing(proceed(incoming)) as responses:
                for response in responses:
                    named = asked(incoming) if not answers else {}
                    named = {**named, **patients(response)} if answer_names else named
                    if not answers or named.keys() - told.keys():
                        write(incoming, named.keys() - told.keys(), stream="begun")
                        told = named if len(told) > _REMEMBERED else {**told, **named}
                    answers += 1
                    yield response
        except Unrecorded:
            raise
        except GeneratorExit as gone:
            with suppress(Unrecorded):
                write(incoming, (), gone, stream="ended", answers=answers)
            raise
        except BaseException as error:
            rest = asked(incoming).keys() - told.keys()
            write(incoming, rest, error, stream="ended", answers=answers)
            raise
        rest = asked(incoming).keys() - told.keys()
        write(incoming, rest, stream="ended", answers=answers)

    return stream if method.server_streaming else handle


class _Scribe:
    """Writes the records of one method."""

    def __init__(self, method: Method, parts: Parts, book: Book) -> None:
        self._path = method.path
        self._identify = parts.identify
        self._book = book

    def check(self) -> None:
        """Unrecorded when a record could not be written a moment ago: better no effect than one without."""
        try:
            self._book.ready()
        except JournalUnavailable:
            raise Unrecorded from None

    def write(
        self,
        incoming: Incoming,
        named: Iterable[str],
        error: BaseException | None = None,
        **more: Any,
    ) -> None:
        """Write who asked what of whom and how it ended; Unrecorded."""
        outcome = _OK if error is None else outcome_of(error)
        fields = {
            "time": _stamps.of(clock.seconds()),
            "caller": incoming.caller or self._identify(incoming.context),
            "subject": incoming.subject,
            "method": self._path,
            "patients": sorted(named) if more else list(named),
            "outcome": outcome,
            "reason": "" if error is None or outcome == _GONE else fault_of(error).reason.name,
            "trace": trace_id_of(incoming.work.traceparent),
            **more,
        }
        try:
            self._book.append(fields)
        except JournalUnavailable:
            raise Unrecorded from None
