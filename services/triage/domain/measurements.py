"""Findings that follow from numbers: temperature and vital signs.

Thresholds: NICE NG143 for fever, the red scores of NEWS2, NICE NG136 for blood pressure. NEWS2 is
for adults, so pulse, breaths and pressure of a child under 12 are not judged by it.
"""

from collections.abc import Iterable

from services.triage.domain.conversation import Fact
from services.triage.domain.language.assertion import Status
from services.triage.domain.language.quantities import Measure, Quantity
from services.triage.domain.patient import MONTHS_PER_YEAR

_ADULT_VITALS_FROM = 12 * MONTHS_PER_YEAR


def findings_of(
    measurements: Iterable[Quantity], age_months: int | None
) -> Iterable[tuple[str, Fact]]:
    """The findings that measurements show or rule out; ``age_months`` None counts as adult."""
    adult = age_months is None or age_months >= _ADULT_VITALS_FROM
    present, absent = Fact(Status.PRESENT), Fact(Status.ABSENT)
    for each in measurements:
        value = each.value
        match each.measure:
            case Measure.TEMPERATURE:
                yield from _heat(value)
            case Measure.OXYGEN if 40 <= value <= 100:
                yield "low_oxygen", present if value <= 91 else absent
                if 92 <= value <= 93:
                    yield "short_of_breath", Fact(Status.UNCERTAIN)
            case Measure.HEART_RATE if adult and value >= 131:
                yield "very_fast_heart_rate", present
            case Measure.HEART_RATE if adult and 0 < value <= 40:
                yield "very_slow_heart_rate", present
            case Measure.HEART_RATE if value == 0:
                yield "not_breathing", present
            case Measure.BREATHS if adult and value >= 25:
                yield "fast_breathing", present
            case Measure.SYSTOLIC if adult and value <= 90:
                yield "low_blood_pressure", present
            case Measure.SYSTOLIC if adult and value >= 180:
                yield "very_high_blood_pressure", present
            case Measure.DIASTOLIC if adult and value >= 120:
                yield "very_high_blood_pressure", present


def _heat(celsius: float) -> Iterable[tuple[str, Fact]]:
    present = Fact(Status.PRESENT)
    if celsius >= 38.9:  # 102 °F, which people take as the same mark as 39 °C
        yield "high_fever", present
    if celsius >= 38:
        yield "fever", present
    elif celsius >= 37.5:
        yield "low_grade_fever", present
    elif celsius > 35:
        yield "fever", Fact(Status.ABSENT)
    else:
        yield "low_temperature", present
