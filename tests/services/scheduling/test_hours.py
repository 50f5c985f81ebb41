"""Which working hours are refused."""

from __future__ import annotations

import pytest

from plexus.errors import Fault
from plexus.scheduling.v1.practitioner_pb2 import DayHours, HoursException, WeeklyHours
from plexus.type.v1.date_pb2 import Date
from services.scheduling.domain.hours import check_hours
from services.scheduling.domain.zones import is_zone


def week(*spans: tuple[int, int, int]) -> list[WeeklyHours]:
    return [WeeklyHours(day=d, start_minute=s, end_minute=e) for d, s, e in spans]  # type: ignore[arg-type]


def exception(year: int, month: int, day: int, *spans: tuple[int, int]) -> HoursException:
    return HoursException(
        date=Date(year=year, month=month, day=day),
        hours=[DayHours(start_minute=start, end_minute=end) for start, end in spans],
    )


@pytest.mark.parametrize(
    "weekly",
    [
        [],
        week((1, 540, 720), (1, 720, 1020)),
        week((1, 780, 1020), (1, 540, 720), (2, 0, 1440)),
    ],
)
def test_hours_that_touch_or_come_unsorted_are_accepted(weekly: list[WeeklyHours]) -> None:
    check_hours(weekly, [exception(2028, 2, 29), exception(2028, 3, 1, (540, 600))])


@pytest.mark.parametrize(
    ("weekly", "exceptions", "field", "rule"),
    [
        (week((1, 600, 540)), [], "weekly_hours", "hours.order"),
        (week((1, 600, 600)), [], "weekly_hours", "hours.order"),
        (week((1, 540, 720), (1, 715, 800)), [], "weekly_hours", "hours.overlap"),
        (week((1, 540, 720), (1, 540, 720)), [], "weekly_hours", "hours.overlap"),
        ([], [exception(2026, 2, 29)], "exceptions[0].date", "hours.date"),
        ([], [exception(2026, 2, 0)], "exceptions[0].date", "hours.date"),
        (
            [],
            [exception(2026, 2, 1), exception(2026, 2, 1)],
            "exceptions[0].date",
            "hours.date_unique",
        ),
        ([], [exception(2026, 2, 1, (60, 0))], "exceptions[0].hours", "hours.order"),
        ([], [exception(2026, 2, 1, (0, 60), (55, 90))], "exceptions[0].hours", "hours.overlap"),
    ],
)
def test_hours_that_make_no_sense_are_refused_by_field(
    weekly: list[WeeklyHours], exceptions: list[HoursException], field: str, rule: str
) -> None:
    with pytest.raises(Fault, match="HOURS_INVALID") as refused:
        check_hours(weekly, exceptions)
    first = refused.value.violations[0]
    assert (first.field, first.rule) == (field, rule)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("America/New_York", True),
        ("UTC", True),
        ("america/new_york", False),
        ("America", False),
        ("Mars/Olympus", False),
        ("../../etc/passwd", False),
    ],
)
def test_only_zones_of_the_iana_database_are_known(name: str, known: bool) -> None:
    assert is_zone(name) is known
