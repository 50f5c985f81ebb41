"""What triage takes from a chart, and what it leaves open."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from plexus.records.v1.chart_pb2 import Chart
from plexus.records.v1.patient_pb2 import AdministrativeSex
from plexus.type.v1.date_pb2 import Date
from services.triage.domain import Sex
from services.triage.history import age_months, read

NOW = datetime(2026, 3, 2, tzinfo=UTC)
SNOMED = "http://snomed.info/sct"


@pytest.mark.parametrize(
    ("birth", "months"),
    [
        (Date(year=2026, month=3, day=2), 0),
        (Date(year=2026, month=2, day=3), 0),
        (Date(year=2025, month=12, day=2), 3),
        (Date(year=2025, month=12, day=3), 2),
        (Date(year=2024, month=2, day=29), 24),
        (Date(year=1956, month=3, day=3), 69 * 12 + 11),
        # Only a month: a child is as young, an adult as old as can be.
        (Date(year=2025, month=12), 2),
        (Date(year=2026, month=3), 0),
        (Date(year=1976, month=3), 50 * 12),
        # Only a year: enough for an adult.
        (Date(year=1976), 50 * 12 + 2),
        (Date(year=2026), None),
        (Date(year=2015), None),
        (Date(year=2008), None),
        # Not yet born, and a day that no calendar has.
        (Date(year=2026, month=3, day=3), None),
        (Date(year=2027), None),
        (Date(year=1990, month=2, day=31), 36 * 12),
    ],
)
def test_an_age_is_told_only_as_far_as_the_date_tells_it(birth: Date, months: int | None) -> None:
    assert age_months(birth, date(2026, 3, 2)) == months


def test_a_chart_without_a_birth_date_tells_no_age() -> None:
    assert read(Chart(), NOW).age_months is None


@pytest.mark.parametrize(
    ("status", "verification", "ended", "counts"),
    [
        ("active", "confirmed", False, True),
        ("recurrence", "", False, True),
        ("relapse", "provisional", False, True),
        ("resolved", "confirmed", False, False),
        ("remission", "confirmed", False, False),
        ("inactive", "", False, False),
        ("active", "refuted", False, False),
        ("active", "entered-in-error", False, False),
        ("", "", False, True),
        ("", "", True, False),
    ],
)
def test_a_condition_counts_while_it_is_active(
    status: str, verification: str, ended: bool, counts: bool
) -> None:
    chart = Chart()
    condition = chart.conditions.add(clinical_status=status, verification_status=verification)
    condition.code.display = "Diabetes"
    if ended:
        condition.abatement_time.FromDatetime(NOW)
    assert read(chart, NOW).conditions == (("Diabetes",) if counts else ())


@pytest.mark.parametrize("status", ["active", "stopped", "completed", "on-hold", ""])
def test_a_medicine_counts_while_it_is_taken(status: str) -> None:
    chart = Chart()
    chart.medications.add(status=status).code.display = "Warfarin"
    assert read(chart, NOW).medications == (("Warfarin",) if status == "active" else ())


@pytest.mark.parametrize(
    ("system", "code", "status", "weeks_ago", "pregnant"),
    [
        (SNOMED, "72892002", "active", 10, True),
        (SNOMED, "72892002", "active", None, True),
        (SNOMED, "72892002", "active", 45, None),
        (SNOMED, "72892002", "resolved", 10, None),
        (SNOMED, "44054006", "active", 10, None),
        ("http://hl7.org/fhir/sid/icd-10-cm", "Z34.01", "active", 10, True),
        ("http://hl7.org/fhir/sid/icd-10-cm", "O03.9", "active", 10, None),
        ("http://loinc.org", "72892002", "active", 10, None),
    ],
)
def test_a_pregnancy_is_known_while_it_can_last(
    system: str, code: str, status: str, weeks_ago: int | None, pregnant: bool | None
) -> None:
    chart = Chart()
    condition = chart.conditions.add(clinical_status=status)
    condition.code.system, condition.code.code = system, code
    if weeks_ago is not None:
        condition.onset_time.FromSeconds(int(NOW.timestamp()) - weeks_ago * 7 * 86400)
    assert read(chart, NOW).pregnant is pregnant


@pytest.mark.parametrize(
    ("stated", "pregnant", "sex"),
    [
        (AdministrativeSex.ADMINISTRATIVE_SEX_FEMALE, False, Sex.FEMALE),
        (AdministrativeSex.ADMINISTRATIVE_SEX_MALE, False, Sex.MALE),
        (AdministrativeSex.ADMINISTRATIVE_SEX_OTHER, False, None),
        (AdministrativeSex.ADMINISTRATIVE_SEX_UNKNOWN, False, None),
        (AdministrativeSex.ADMINISTRATIVE_SEX_MALE, True, None),
    ],
)
def test_a_sex_that_the_chart_leaves_open_or_contradicts_stays_open(
    stated: AdministrativeSex.ValueType, pregnant: bool, sex: Sex | None
) -> None:
    chart = Chart()
    chart.patient.sex = stated
    if pregnant:
        condition = chart.conditions.add(clinical_status="active")
        condition.code.system, condition.code.code = SNOMED, "77386006"
    assert read(chart, NOW).sex is sex
