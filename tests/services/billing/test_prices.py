"""What care costs, and who is asked for it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.billing.domain.coverage import Coverage, Day, choose, pause, split
from services.billing.domain.fees import Coded, Performed, ScheduleError, parse
from services.billing.service import fee_schedule

SMALL = """
currency = "USD"
unlisted = 500
visit = "99213"
[appointment_types]
office_visit = "99213"
wellness_visit = "G0439"
[prices.some]
99213 = { price = 100, words = "Visit" }
G0439 = { price = 200, words = "Wellness" }
"""


def _performed(*services: tuple[str, int]) -> list[Performed]:
    return [Performed(Coded("", code), quantity) for code, quantity in services]


@pytest.mark.parametrize(
    ("visit", "performed", "lines"),
    [
        ("office_visit", [], [("99213", 1, 100)]),
        ("wellness_visit", [], [("G0439", 1, 200)]),
        ("seance", [], [("99213", 1, 100)]),
        ("", [], [("99213", 1, 100)]),
        ("office_visit", [("G0439", 2)], [("G0439", 2, 400)]),
        ("office_visit", [("g0439 ", 1)], [("g0439 ", 1, 200)]),
        ("office_visit", [("99213", 1), ("12345", 3)], [("99213", 1, 100), ("12345", 3, 1500)]),
        ("office_visit", [("99213", 0)], [("99213", 1, 100)]),
    ],
    ids=[
        "a visit stands for its code",
        "a HCPCS code too",
        "an unknown type is an ordinary visit",
        "no type is an ordinary visit",
        "what was performed comes before the type",
        "a code is found however it is written",
        "an unknown code has the price of the unlisted",
        "what was performed counts at least once",
    ],
)
def test_a_completed_appointment_always_has_a_price(
    visit: str, performed: list[tuple[str, int]], lines: list[tuple[str, int, int]]
) -> None:
    priced = parse(SMALL).price(visit, _performed(*performed))
    assert [(line.code.code, line.quantity, line.amount) for line in priced] == lines


@pytest.mark.parametrize(
    "mistake",
    [
        ('visit = "99213"', 'visit = "99999"'),
        ('office_visit = "99213"', 'office_visit = "99999"'),
        ("price = 100", "price = 0"),
        ("unlisted = 500", "unlisted = -1"),
        ("[prices.some]", '[prices.other]\n99213 = { price = 1, words = "" }\n[prices.some]'),
    ],
    ids=["unpriced visit", "unpriced type", "free", "negative", "priced twice"],
)
def test_a_fee_schedule_that_cannot_be_billed_by_is_refused(mistake: tuple[str, str]) -> None:
    with pytest.raises(ScheduleError):
        parse(SMALL.replace(*mistake))


def test_the_packaged_schedule_prices_an_office_visit_as_medicare_did_in_2023() -> None:
    (line,) = fee_schedule().price("office_visit", [])
    assert (line.code.code, line.amount) == ("99213", 9082)


@pytest.mark.parametrize(
    ("total", "insured", "insurer", "patient"),
    [
        (9082, True, 7266, 1816),
        (9083, True, 7266, 1817),
        (2, True, 2, 0),
        (3, True, 2, 1),
        (1, True, 1, 0),
        (10000, True, 8000, 2000),
        (9082, False, 0, 9082),
    ],
)
def test_an_insured_patient_pays_a_fifth_rounded_half_up(
    total: int, insured: bool, insurer: int, patient: int
) -> None:
    assert split(total, insured=insured) == (insurer, patient)


def _plan(
    name: str,
    status: str = "active",
    payer: str = "Acme Health",
    start: Day | None = None,
    end: Day | None = None,
) -> Coverage:
    return Coverage(name, status, payer, "M1", start, end)


@pytest.mark.parametrize(
    ("plans", "chosen"),
    [
        ([], None),
        ([_plan("a"), _plan("b")], "a"),
        ([_plan("a", status="cancelled"), _plan("b")], "b"),
        ([_plan("a", payer="")], None),
        ([_plan("a", payer="NO_INSURANCE")], None),
        ([_plan("a", start=(2025, 3, 4), end=(2025, 3, 4))], "a"),
        ([_plan("a", start=(2025, 3, 5))], None),
        ([_plan("a", end=(2025, 3, 3))], None),
        ([_plan("a", start=(2025, 0, 0), end=(2025, 0, 0))], "a"),
        ([_plan("a", start=(2025, 3, 0), end=(2025, 3, 0))], "a"),
        ([_plan("a", end=(2024, 0, 0)), _plan("b", start=(2024, 0, 0))], "b"),
    ],
)
def test_a_claim_is_billed_to_the_first_coverage_that_pays_for_its_day(
    plans: list[Coverage], chosen: str | None
) -> None:
    found = choose(plans, (2025, 3, 4))
    assert (found and found.coverage_id) == chosen


@pytest.mark.parametrize(("asked", "longest"), [(0, 0.5), (1, 1), (3, 4), (5, 10), (10_000, 10)])
def test_records_is_asked_again_ever_more_rarely_but_at_least_every_ten_seconds(
    asked: int, longest: float
) -> None:
    assert pause(asked, 0.0) == timedelta(seconds=longest)
    assert pause(asked, 1.0) == timedelta(seconds=longest / 2)
