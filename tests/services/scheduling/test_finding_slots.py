"""FindSlots: what it looks through and what it leaves out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from plexus.errors import Invalid, NotFound
from plexus.type.v1.period_pb2 import Period
from tests.services.scheduling.surgery import NOW, Surgery, weekly


def period(**bounds: float) -> Period:
    """A period by its distance from now in days."""
    found = Period()
    for name, days in bounds.items():
        getattr(found, name).FromDatetime(NOW + timedelta(days=days))
    return found


def test_slots_are_found_across_the_change_of_clocks(surgery: Surgery) -> None:
    surgery.employ(surgery.open_clinic())
    surgery.offer(minutes=180)
    slots = surgery.slots(window=period(end=14))
    zone = ZoneInfo("America/New_York")
    starts = [datetime.fromtimestamp(slot.start_time.seconds, zone) for slot in slots]
    assert {start.hour for start in starts} == {9}
    assert [start.day for start in starts] == list(range(2, 16))
    assert {start.utcoffset() for start in starts} == {timedelta(hours=-5), timedelta(hours=-4)}
    assert {slot.time_zone for slot in slots} == {"America/New_York"}


def test_without_a_type_the_shortest_is_looked_for_the_first_by_code_of_several(
    surgery: Surgery,
) -> None:
    surgery.employ(surgery.open_clinic())
    assert surgery.slots() == []
    surgery.offer("a_long_visit", 60)
    surgery.offer("quick_talk", 15)
    short = surgery.offer("quick_look", 15)
    slots = surgery.slots()
    assert len(slots) == 20
    assert {slot.appointment_type_id for slot in slots} == {short}


def test_criteria_narrow_the_search(surgery: Surgery) -> None:
    here, there = surgery.open_clinic(), surgery.open_clinic()
    heart = surgery.employ(here, "cardiology")
    family = surgery.employ(here, "family_medicine")
    away = surgery.employ(there, "cardiology")
    surgery.offer()

    def whose(**criteria: Any) -> set[str]:
        return {slot.practitioner_id for slot in surgery.slots(**criteria)}

    assert whose() == {heart.id, family.id, away.id}
    assert whose(clinic_id=here.id) == {heart.id, family.id}
    assert whose(specialty="cardiology") == {heart.id, away.id}
    assert whose(clinic_id=here.id, specialty="cardiology") == {heart.id}
    assert whose(practitioner_id=away.id) == {away.id}
    assert whose(practitioner_id=away.id, clinic_id=here.id) == set()
    assert whose(specialty="dermatology") == set()


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("clinic_id", "cli_nothinghere", "CLINIC_NOT_FOUND"),
        ("practitioner_id", "pra_nobodyhere", "PRACTITIONER_NOT_FOUND"),
        ("appointment_type_id", "apt_nothinghere", "APPOINTMENT_TYPE_NOT_FOUND"),
    ],
)
def test_looking_for_what_does_not_exist_says_what(
    surgery: Surgery, field: str, value: str, reason: str
) -> None:
    surgery.offer()
    with pytest.raises(NotFound) as missing:
        surgery.slots(**{field: value})
    assert missing.value.reason == reason


def test_a_window_is_refused_when_too_long_and_empty_when_past(surgery: Surgery) -> None:
    surgery.employ(surgery.open_clinic())
    surgery.offer()
    assert surgery.slots(window=period(start=-3, end=-1)) == []
    assert len(surgery.slots(window=period(start=-1, end=1), limit=1000)) == 6
    for window in (period(start=0, end=60.1), period(end=-1)):
        with pytest.raises(Invalid, match="WINDOW_INVALID"):
            surgery.slots(window=window)


def test_what_crosses_the_edge_of_the_window_or_of_a_stage_is_still_in_the_way(
    surgery: Surgery,
) -> None:
    surgery.employ(surgery.open_clinic(), weekly_hours=weekly(360, 840))
    long, quick = surgery.offer("long_visit", 480), surgery.offer("quick_look", 5)
    kind = surgery.offer("office_visit", 90)
    tuesday, wednesday = surgery.slots(appointment_type_id=long, limit=2)
    surgery.book(tuesday)
    # Two days from now, where the first stage of a search ends: within the slot at 06:00.
    edge = NOW + timedelta(days=2)
    surgery.book(wednesday, appointment_type_id=quick, start_time=edge)

    def hours(start: float) -> list[float]:
        found = surgery.slots(appointment_type_id=kind, window=period(start=start, end=2.1))
        return [(slot.start_time.seconds - edge.timestamp()) / 3600 for slot in found]

    assert [each for each in hours(0) if each > -24] == [0.5, 2.0]
    assert hours(1) == [0.5, 2.0]
