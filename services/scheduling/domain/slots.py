"""Slots: what is free of a practitioner's hours.

Times are instants in whole seconds. Slots follow one another from the beginning of a span of working
hours, each as long as the appointment. An appointment may also begin between them, and go on from one
span to the next when these touch.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

from plexus.scheduling.v1.errors_pb2 import SCHEDULING_ERROR_WINDOW_INVALID
from services.scheduling.domain.faults import fault
from services.scheduling.domain.hours import Hours
from services.scheduling.domain.zones import DAY, MINUTE, Interval, instants

CELL = 300
"""Seconds of the grid that appointments begin and end on."""

LONGEST_APPOINTMENT = 480 * MINUTE
"""What `AppointmentType.duration_minutes` allows."""

USUAL_WINDOW = 14 * DAY
LONGEST_WINDOW = 60 * DAY
_FIRST_STAGE = 2 * DAY

# The calendar of the standard library ends with the year 9999; a zone needs days to spare.
_LAST = 253_370_764_800


class Opening(NamedTuple):
    """A free time with a practitioner."""

    start: int
    practitioner_id: str
    end: int


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a practitioner works: their hours, by the clock of the clinic's zone."""

    zone: ZoneInfo
    hours: Hours


def search_window(start: int | None, end: int | None, now: int) -> Interval:
    """Where to look for slots, or WINDOW_INVALID when that is nowhere or longer than 60 days.

    Without *start*: from now. Without *end*: for 14 days.
    """
    first = now if start is None else start
    last = first + USUAL_WINDOW if end is None else end
    if not 0 < last - first <= LONGEST_WINDOW:
        raise fault(SCHEDULING_ERROR_WINDOW_INVALID)
    return Interval(first, last)


def stages(window: Interval) -> Iterator[Interval]:
    """The window in parts, each twice as long as the one before: who looks for the earliest slots
    seldom has to look far."""
    start, length = window.start, _FIRST_STAGE
    while start < window.end:
        end = min(start + length, window.end)
        yield Interval(start, end)
        start, length = end, length * 2


def find(
    calendars: Mapping[str, Calendar],
    taken: Mapping[str, Sequence[Interval]],
    window: Interval,
    seconds: int,
    limit: int,
) -> list[Opening]:
    """The first *limit* openings of *seconds* each that begin within *window*.

    Earliest first; at one time, by practitioner id. What is *taken* of a practitioner's time is
    sorted and does not overlap.
    """
    each = [
        _openings(name, calendar, taken.get(name, ()), window, seconds)
        for name, calendar in calendars.items()
    ]
    return list(islice(heapq.merge(*each), limit))


def is_offered(calendar: Calendar, start: int, seconds: int, now: int) -> bool:
    """Whether an appointment could be at *start* if nobody had that time."""
    if start < now or start % CELL:
        return False
    reached = start
    for span in worked(calendar, Interval(start, start + seconds)):
        if span.start <= reached:
            reached = max(reached, span.end)
    return reached >= start + seconds


def cells(start: int, end: int) -> range:
    """The five-minute cells, counted from 1970, that a time takes up."""
    return range(start // CELL, _ceiling(end, CELL) // CELL)


def worked(calendar: Calendar, window: Interval) -> list[Interval]:
    """The spans of working hours that touch *window*, whole, earliest first."""
    last = min(window.end, _LAST)
    days = range(window.start // DAY - 1, (last - 1) // DAY + 2)
    spans = [
        span
        for day in days
        for hours in calendar.hours.on(day)
        for span in instants(calendar.zone, day, hours.start, hours.end)
        if span.start < last and span.end > window.start
    ]
    # A clock set back across midnight makes a day begin before the last one is over.
    return sorted(spans)


def _openings(
    name: str, calendar: Calendar, taken: Sequence[Interval], window: Interval, seconds: int
) -> Iterator[Opening]:
    starts = [interval.start for interval in taken]
    ends = [interval.end for interval in taken]
    for span in worked(calendar, window):
        # Only a clock that once changed off the five-minute mark makes a span begin off it.
        first = _ceiling(span.start, CELL)
        skipped = max(0, _ceiling(window.start - first, seconds))
        last = min(span.end - seconds + 1, window.end)
        for start in range(first + skipped, last, seconds):
            # What ends after the start and begins before the end is in the way.
            if bisect_right(ends, start) == bisect_left(starts, start + seconds):
                yield Opening(start, name, start + seconds)


def _ceiling(number: int, step: int) -> int:
    return -(-number // step) * step
