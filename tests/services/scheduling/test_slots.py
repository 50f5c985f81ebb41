"""Slots across clock changes. Expected times are local, as the clinic's clock reads them."""

from __future__ import annotations

from datetime import date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from plexus.errors import Fault
from services.scheduling.domain.hours import Hours, Span
from services.scheduling.domain.slots import (
    Calendar,
    Opening,
    find,
    is_offered,
    search_window,
    stages,
    worked,
)
from services.scheduling.domain.zones import DAY, Interval, day_number, instants

DAILY = range(1, 8)
NOW = 1_800_000_000


def calendar(zone: str, *spans: tuple[int, int]) -> Calendar:
    week = {day: tuple(Span(*span) for span in spans) for day in DAILY}
    return Calendar(ZoneInfo(zone), Hours(week, {}))


def at(zone: str, day: str, clock: str, fold: int = 0) -> int:
    local = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int(local.timestamp())


def minutes(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)


def openings(each: Calendar, day: str, length: int, limit: int = 1000) -> list[Opening]:
    """The openings of *length* minutes on a local day."""
    number = day_number(date.fromisoformat(day))
    whole = instants(each.zone, number, 0, 1440)
    window = Interval(whole[0].start, whole[-1].end)
    return find({"pra_one": each}, {}, window, length * 60, limit)


def read(zone: str, instant: int) -> str:
    """The clinic's clock, with its distance from UTC."""
    local = datetime.fromtimestamp(instant, ZoneInfo(zone))
    return f"{local:%H:%M%z}"


SPRING = ["01:00-0500", "01:30-0500", "03:00-0400", "03:30-0400"]
FALL = ["01:00-0400", "01:30-0400", "01:00-0500", "01:30-0500", "02:00-0500", "02:30-0500"]

CLOCKS = [
    # A skipped hour is no time to work; a repeated one is worked twice.
    ("America/New_York", "2026-03-08", "01:00", "04:00", 30, SPRING),
    ("America/New_York", "2026-11-01", "01:00", "03:00", 30, FALL),
    # Hours that begin or end in the skipped hour are cut to what is left.
    ("America/New_York", "2026-03-08", "02:30", "03:30", 30, ["03:00-0400"]),
    ("America/New_York", "2026-03-08", "01:30", "02:30", 30, ["01:30-0500"]),
    ("America/New_York", "2026-03-08", "02:00", "03:00", 30, []),
    # Hours within the repeated hour are kept both times.
    ("America/New_York", "2026-11-01", "01:30", "02:00", 30, ["01:30-0400", "01:30-0500"]),
    # An appointment may last across the change: it takes its time, whatever the clock does.
    ("America/New_York", "2026-03-08", "01:00", "04:00", 45, ["01:00-0500", "01:45-0500"]),
    ("America/New_York", "2026-11-01", "00:00", "02:00", 90, ["00:00-0400", "01:30-0400"]),
    ("Europe/Berlin", "2026-03-29", "01:30", "03:30", 30, ["01:30+0100", "03:00+0200"]),
    (
        "Europe/Berlin",
        "2026-10-25",
        "02:00",
        "03:00",
        30,
        ["02:00+0200", "02:30+0200", "02:00+0100", "02:30+0100"],
    ),
    # Half an hour forward and back.
    (
        "Australia/Lord_Howe",
        "2026-10-04",
        "01:30",
        "03:00",
        30,
        ["01:30+1030", "02:30+1100"],
    ),
    (
        "Australia/Lord_Howe",
        "2026-04-05",
        "01:00",
        "02:30",
        30,
        ["01:00+1100", "01:30+1100", "01:30+1030", "02:00+1030"],
    ),
    # A day that begins at 01:00, and a day that was left out.
    ("Africa/Cairo", "2026-04-24", "00:00", "02:00", 60, ["01:00+0300"]),
    ("UTC", "2026-03-29", "01:00", "03:00", 60, ["01:00+0000", "02:00+0000"]),
    ("Asia/Kathmandu", "2026-06-01", "09:00", "10:00", 30, ["09:00+0545", "09:30+0545"]),
]


@pytest.mark.parametrize(("zone", "day", "start", "end", "length", "expected"), CLOCKS)
def test_slots_follow_the_clinics_clock(
    zone: str, day: str, start: str, end: str, length: int, expected: list[str]
) -> None:
    found = openings(calendar(zone, (minutes(start), minutes(end))), day, length)
    assert [read(zone, opening.start) for opening in found] == expected


ODD_WEEKS = [
    ("America/New_York", "2026-03-07"),
    ("America/New_York", "2026-10-31"),
    ("Europe/London", "2026-10-24"),
    ("Australia/Lord_Howe", "2026-04-04"),
    ("Australia/Lord_Howe", "2026-10-03"),
    ("America/Havana", "2026-10-31"),
    ("Africa/Cairo", "2026-04-23"),
    ("Africa/Casablanca", "2027-02-06"),
    ("Pacific/Chatham", "2026-09-26"),
    ("America/St_Johns", "2010-11-06"),
    ("Pacific/Apia", "2011-12-29"),
]


@pytest.mark.parametrize(("zone", "first"), ODD_WEEKS)
def test_exactly_those_instants_are_worked_at_which_the_clock_reads_working_hours(
    zone: str, first: str
) -> None:
    spans = [(0, 60), (60, 95), (120, 155), (600, 720), (1380, 1440)]
    start = at("UTC", first, "00:00")
    window = Interval(start, start + 4 * DAY)
    found = {
        instant
        for span in worked(calendar(zone, *spans), window)
        for instant in range(span.start, span.end, 60)
        if window.start <= instant < window.end
    }
    expected = set()
    for instant in range(window.start, window.end, 60):
        local = datetime.fromtimestamp(instant, ZoneInfo(zone))
        reading = local.hour * 60 + local.minute
        if any(begin <= reading < end for begin, end in spans):
            expected.add(instant)
    assert found == expected


def test_a_day_that_differs_takes_the_place_of_the_weeks_hours() -> None:
    hours = Hours(
        week=dict.fromkeys(DAILY, (Span(540, 600),)),
        exceptions={
            day_number(date(2026, 5, 5)): (),
            day_number(date(2026, 5, 6)): (Span(600, 660),),
        },
    )
    each = Calendar(ZoneInfo("Europe/Berlin"), hours)
    start = at("Europe/Berlin", "2026-05-04", "00:00")
    found = find({"pra_one": each}, {}, Interval(start, start + 3 * DAY), 1800, 100)
    assert [f"{datetime.fromtimestamp(o.start, each.zone):%d %H:%M}" for o in found] == [
        "04 09:00",
        "04 09:30",
        "06 10:00",
        "06 10:30",
    ]


def test_stages_cover_a_window_without_gap_or_overlap() -> None:
    window = Interval(NOW, NOW + 60 * DAY)
    parts = list(stages(window))
    assert parts[0].start == window.start
    assert parts[-1].end == window.end
    assert all(before.end == after.start for before, after in pairwise(parts))
    assert [(part.end - part.start) // DAY for part in parts] == [2, 4, 8, 16, 30]
    assert list(stages(Interval(NOW, NOW - 1))) == []


def test_what_is_taken_or_past_is_not_offered_and_steps_stay_aligned() -> None:
    nine = at("UTC", "2026-05-04", "09:00")
    taken = {"pra_one": [Interval(nine + 600, nine + 900), Interval(nine + 3600, nine + 5400)]}
    calendars = {"pra_one": calendar("UTC", (540, 720))}
    noon = nine + 3 * 3600
    found = find(calendars, taken, Interval(nine - 60, noon), 1800, 100)
    assert [opening.start - nine for opening in found] == [1800, 5400, 7200, 9000]
    later = find(calendars, taken, Interval(nine + 1801, noon), 1800, 100)
    assert [opening.start - nine for opening in later] == [5400, 7200, 9000]


def test_openings_of_several_practitioners_come_by_time_then_by_id() -> None:
    nine = at("UTC", "2026-05-04", "09:00")
    calendars = {
        "pra_b": calendar("UTC", (540, 660)),
        "pra_a": calendar("Europe/Berlin", (660, 780)),
    }
    found = find(calendars, {}, Interval(nine, nine + DAY), 3600, 3)
    assert [(o.start - nine, o.practitioner_id) for o in found] == [
        (0, "pra_a"),
        (0, "pra_b"),
        (3600, "pra_a"),
    ]


@pytest.mark.parametrize(
    ("clock", "length", "offered"),
    [
        ("09:00", 30, True),
        ("09:05", 30, True),
        ("11:30", 30, True),
        ("11:35", 30, False),
        ("11:30", 60, False),
        ("08:55", 30, False),
        ("09:01", 30, False),
        ("12:00", 30, False),
    ],
)
def test_an_appointment_is_offered_only_whole_within_hours_on_a_five_minute_mark(
    clock: str, length: int, offered: bool
) -> None:
    start = at("Asia/Kathmandu", "2026-05-04", clock)
    each = calendar("Asia/Kathmandu", (540, 720))
    assert is_offered(each, start, length * 60, now=0) is offered
    assert not is_offered(each, start, length * 60, now=start + 1)


@pytest.mark.parametrize(
    ("clock", "length", "offered"),
    [("11:45", 30, True), ("23:45", 30, True), ("15:45", 30, False), ("23:00", 480, False)],
)
def test_hours_that_touch_are_worked_without_a_break(
    clock: str, length: int, offered: bool
) -> None:
    each = calendar("Asia/Kathmandu", (540, 720), (720, 960), (965, 1440), (0, 60))
    start = at("Asia/Kathmandu", "2026-05-04", clock)
    assert is_offered(each, start, length * 60, now=0) is offered


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, (NOW, NOW + 14 * DAY)),
        (NOW + DAY, None, (NOW + DAY, NOW + 15 * DAY)),
        (None, NOW + 60 * DAY, (NOW, NOW + 60 * DAY)),
        (NOW - 5 * DAY, NOW - 4 * DAY, (NOW - 5 * DAY, NOW - 4 * DAY)),
        (None, NOW, None),
        (None, NOW - DAY, None),
        (NOW, NOW + 60 * DAY + 1, None),
    ],
)
def test_a_window_is_not_empty_and_at_most_sixty_days(
    start: int | None, end: int | None, expected: tuple[int, int] | None
) -> None:
    if expected is None:
        with pytest.raises(Fault, match="WINDOW_INVALID"):
            search_window(start, end, NOW)
    else:
        assert search_window(start, end, NOW) == expected


def test_a_window_at_the_end_of_time_has_no_slots() -> None:
    far = 253_402_300_799
    each = calendar("Pacific/Kiritimati", (0, 1440))
    assert find({"pra_one": each}, {}, Interval(far, far + DAY), 300, 10) == []
    assert not is_offered(each, far - far % 300, 300, NOW)
    assert not is_offered(each, 300 * 10**12, 300, NOW)
