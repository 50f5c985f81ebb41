"""Appointments: every acknowledged change is in the feed, nothing else is, no time is given twice."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from mesh.chaos.history.books import Appointment, Books, Change, Event
from mesh.chaos.history.checker.settled import Write
from mesh.chaos.history.checker.violation import Invariant, Violation
from mesh.chaos.history.operation import Kind, Status, slot_name

CHANGES: Mapping[Kind, Change] = {
    Kind.BOOK: Change.BOOKED,
    Kind.RESCHEDULE: Change.RESCHEDULED,
    Kind.CANCEL: Change.CANCELLED,
    Kind.CHECK_IN: Change.CHECKED_IN,
    Kind.COMPLETE: Change.COMPLETED,
    Kind.NO_SHOW: Change.NO_SHOW,
}

_OPEN = frozenset({Change.BOOKED, Change.RESCHEDULED})
_BEFORE: Mapping[Change, frozenset[Change | None]] = {
    Change.BOOKED: frozenset({None}),
    Change.RESCHEDULED: _OPEN,
    Change.CANCELLED: _OPEN | {Change.CHECKED_IN},
    Change.CHECKED_IN: _OPEN,
    Change.COMPLETED: frozenset({Change.CHECKED_IN}),
    Change.NO_SHOW: _OPEN,
}
"""What may have happened to an appointment last when something happens to it."""


def acknowledged_changes(writes: Iterable[Write], books: Books) -> Iterator[Violation]:
    """Changes that were acknowledged and are not in the feed, and the other way round."""
    writes = list(writes)
    told = {
        (CHANGES[write.kind], write.answer.subject, write.answer.version): write.key
        for write in writes
        if write.kind in CHANGES and write.status is Status.OK and write.answer
    }
    # Records' late answer about a patient is nobody's request.
    happened = {
        (event.change, event.appointment.id, event.appointment.version): event.appointment
        for event in books.events
        if event.change is not Change.PATIENT_VERIFIED
    }
    for change, appointment, version in told.keys() - happened.keys():
        yield Violation(
            Invariant.WRITE_LOST,
            f"{change.value} of {appointment} as {version}, acknowledged to "
            f"{told[change, appointment, version]}, never happened",
        )
    for extra in happened.keys() - told.keys():
        change, appointment, version = extra
        refused = _refused(writes, change, happened[extra])
        yield Violation(
            Invariant.EFFECT_DOUBLED,
            f"{change.value} of {appointment} as {version} was acknowledged to nobody"
            + (f", and refused to {', '.join(refused)}" if refused else ""),
        )


def _refused(writes: Iterable[Write], change: Change, found: Appointment) -> list[str]:
    """Who asked for the change and was told that it cannot be."""
    named = {found.id, slot_name(found.practitioner, found.start)}
    return [
        write.key
        for write in writes
        if write.status is Status.FAILED
        and CHANGES.get(write.kind) is change
        and write.subject in named
    ]


def possible_changes(books: Books) -> Iterator[Violation]:
    """Changes that cannot follow what happened before, such as a second completion."""
    last: dict[str, Change] = {}
    for event in _in_order(books.events):
        if event.change is Change.PATIENT_VERIFIED:
            continue
        before = last.get(event.appointment.id)
        if before not in _BEFORE[event.change]:
            yield Violation(
                Invariant.EFFECT_DOUBLED,
                f"event {event.sequence}: {event.change.value} of {event.appointment.id} after "
                f"{before.value if before else 'nothing'}",
            )
        last[event.appointment.id] = event.change


def rows_and_feed(books: Books) -> Iterator[Violation]:
    """Appointments that are not as their last event left them."""
    last = {event.appointment.id: event.appointment for event in _in_order(books.events)}
    rows = {row.id: row for row in books.appointments}
    for appointment in last.keys() | rows.keys():
        told, found = last.get(appointment), rows.get(appointment)
        if found is None:
            detail = f"{appointment} is in the feed and is not there"
            yield Violation(Invariant.WRITE_LOST, detail)
        elif told is None:
            detail = f"{appointment} is there and no event tells of it"
            yield Violation(Invariant.EFFECT_DOUBLED, detail)
        elif told != found:
            detail = f"{appointment} is {found.version}, its last event left it as {told.version}"
            yield Violation(Invariant.WRITE_LOST, detail)


def slots(books: Books) -> Iterator[Violation]:
    """Times that two appointments held at once, at any moment or in the end."""
    calendars: dict[str, Calendar] = defaultdict(Calendar)
    held: dict[str, Appointment] = {}
    for event in _in_order(books.events):
        now, before = event.appointment, held.pop(event.appointment.id, None)
        if before:
            calendars[before.practitioner].release(before)
        if now.holds_time:
            held[now.id] = now
            for other in calendars[now.practitioner].occupy(now):
                yield _booked_twice(now, other, f"at event {event.sequence}")
    final: dict[str, Calendar] = defaultdict(Calendar)
    for row in books.appointments:
        if row.holds_time:
            for other in final[row.practitioner].occupy(row):
                yield _booked_twice(row, other, "in the end")


class Calendar:
    """The times of one practitioner."""

    def __init__(self) -> None:
        self._taken: list[tuple[int, int, str]] = []
        self._longest = 0

    def occupy(self, appointment: Appointment) -> list[str]:
        """Take its time; who has a part of it already."""
        self._longest = max(self._longest, appointment.end - appointment.start)
        first = bisect_left(self._taken, (appointment.start - self._longest,))
        last = bisect_left(self._taken, (appointment.end,))
        others = [name for _, end, name in self._taken[first:last] if end > appointment.start]
        insort(self._taken, (appointment.start, appointment.end, appointment.id))
        return others

    def release(self, appointment: Appointment) -> None:
        """Give its time back."""
        self._taken.remove((appointment.start, appointment.end, appointment.id))


def _booked_twice(one: Appointment, other: str, when: str) -> Violation:
    return Violation(
        Invariant.SLOT_BOOKED_TWICE,
        f"{one.id} and {other} hold {one.start} of {one.practitioner} {when}",
    )


def _in_order(events: Iterable[Event]) -> list[Event]:
    return sorted(events, key=lambda event: event.sequence)
