"""Working hours: an ordinary week and the days that differ, by the clinic's calendar and clock."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import NamedTuple, Protocol

from plexus.errors import Violation
from plexus.scheduling.v1.errors_pb2 import SCHEDULING_ERROR_HOURS_INVALID
from plexus.scheduling.v1.practitioner_pb2 import HoursException, Practitioner, WeeklyHours
from plexus.type.v1.date_pb2 import Date
from services.scheduling.domain.faults import fault
from services.scheduling.domain.zones import day_number, weekday


class Minutes(Protocol):
    """What WeeklyHours and DayHours have in common."""

    start_minute: int
    end_minute: int


class Span(NamedTuple):
    """Work from *start* to before *end*, in minutes after local midnight."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Hours:
    """*week* by ISO day of the week; *exceptions* by day number, in place of the week's."""

    week: Mapping[int, tuple[Span, ...]]
    exceptions: Mapping[int, tuple[Span, ...]]

    def on(self, day: int) -> tuple[Span, ...]:
        """The working hours of a day, earliest first."""
        found = self.exceptions.get(day)
        return self.week.get(weekday(day), ()) if found is None else found


def hours_of(practitioner: Practitioner) -> Hours:
    """The hours a practitioner keeps. They were checked when they were set."""
    week: dict[int, list[Span]] = defaultdict(list)
    for weekly in practitioner.weekly_hours:
        week[weekly.day].append(Span(weekly.start_minute, weekly.end_minute))
    return Hours(
        week={day: tuple(sorted(spans)) for day, spans in week.items()},
        exceptions={
            day_number(_date(exception.date)): _spans(exception.hours)
            for exception in practitioner.exceptions
        },
    )


def check_hours(weekly: Iterable[WeeklyHours], exceptions: Iterable[HoursException]) -> None:
    """Refuse with HOURS_INVALID hours that end before they begin, overlap, or have no real date."""
    broken = [*_broken_week(list(weekly)), *_broken_exceptions(list(exceptions))]
    if broken:
        raise fault(SCHEDULING_ERROR_HOURS_INVALID, *broken)


def _broken_week(weekly: list[WeeklyHours]) -> Iterable[Violation]:
    for day in sorted({hours.day for hours in weekly}):
        yield from _broken("weekly_hours", [hours for hours in weekly if hours.day == day])


def _broken_exceptions(exceptions: list[HoursException]) -> Iterable[Violation]:
    days = Counter((e.date.year, e.date.month, e.date.day) for e in exceptions)
    for place, exception in enumerate(exceptions):
        field = f"exceptions[{place}]"
        day = exception.date
        if not _exists(day):
            yield Violation(f"{field}.date", "is not a day of the calendar", "hours.date")
        elif days[day.year, day.month, day.day] > 1:
            yield Violation(f"{field}.date", "is given twice", "hours.date_unique")
        yield from _broken(f"{field}.hours", exception.hours)


def _broken(field: str, hours: Iterable[Minutes]) -> Iterable[Violation]:
    spans = _spans(hours)
    if any(span.end <= span.start for span in spans):
        yield Violation(field, "must end after they begin", "hours.order")
    elif any(later.start < earlier.end for earlier, later in pairwise(spans)):
        yield Violation(field, "must not overlap", "hours.overlap")


def _spans(hours: Iterable[Minutes]) -> tuple[Span, ...]:
    return tuple(sorted(Span(each.start_minute, each.end_minute) for each in hours))


def _exists(day: Date) -> bool:
    try:
        _date(day)
    except ValueError:
        return False
    return True


def _date(day: Date) -> date:
    return date(day.year, day.month, day.day)
