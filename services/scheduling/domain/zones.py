"""Clinic clocks: which instants a span of the clinic's local day stands for.

Instants are whole seconds since 1970-01-01T00:00Z. Days are numbered from 1970-01-01, day 0.

A span stands for every instant at which the clinic's clock reads a time inside it. So a local time
that a clock change skips stands for nothing, and one that it repeats stands for both times it
happens.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache, lru_cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

DAY = 86_400
MINUTE = 60
_EPOCH = date(1970, 1, 1).toordinal()


class Interval(NamedTuple):
    """The instants from *start* to before *end*."""

    start: int
    end: int


class Stretch(NamedTuple):
    """Instants from *start* to before *end* at which a clock is *offset* seconds ahead of UTC."""

    start: int
    end: int
    offset: int


def is_zone(name: str) -> bool:
    """Whether the IANA time zone database knows *name*."""
    return name in _names()


def day_number(day: date) -> int:
    """The number of a date."""
    return day.toordinal() - _EPOCH


def weekday(day: int) -> int:
    """The day of the week of a day's number by ISO 8601: Monday is 1."""
    return (day + 3) % 7 + 1


def instants(zone: ZoneInfo, day: int, start_minute: int, end_minute: int) -> list[Interval]:
    """The instants at which the clock reads from *start_minute* to before *end_minute* of *day*.

    One interval as a rule, none when the clock skips the span, two when it leaves and re-enters it.
    """
    start, end = day * DAY + start_minute * MINUTE, day * DAY + end_minute * MINUTE
    found: list[Interval] = []
    for stretch in _around(zone, day):
        first = max(stretch.start, start - stretch.offset)
        last = min(stretch.end, end - stretch.offset)
        if first >= last:
            continue
        if found and found[-1].end == first:
            first = found.pop().start
        found.append(Interval(first, last))
    return found


@lru_cache(maxsize=4096)
def _around(zone: ZoneInfo, day: int) -> tuple[Stretch, ...]:
    """What the clock does from the day before to the day after, by UTC: no zone is further off."""
    first, last = (day - 1) * DAY, (day + 2) * DAY
    edges = [first]
    for start in range(first, last, DAY):
        if _offset(zone, start) != _offset(zone, start + DAY):
            edges.append(_change(zone, start, start + DAY))
    edges.append(last)
    return tuple(Stretch(start, end, _offset(zone, start)) for start, end in pairwise(edges))


def _change(zone: ZoneInfo, low: int, high: int) -> int:
    """The instant between *low* and *high* at which the clock changes; it changes once."""
    before = _offset(zone, low)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
    return high


def _offset(zone: ZoneInfo, instant: int) -> int:
    ahead = datetime.fromtimestamp(instant, UTC).astimezone(zone).utcoffset()
    return int(ahead.total_seconds()) if ahead is not None else 0


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones())
