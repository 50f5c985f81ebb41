"""From a chart to what triage needs of it. What the chart leaves open stays open."""

from __future__ import annotations

import calendar
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from plexus.records.v1.chart_pb2 import Chart
from plexus.records.v1.condition_pb2 import Condition
from plexus.records.v1.medication_pb2 import Medication
from plexus.records.v1.patient_pb2 import AdministrativeSex
from plexus.type.v1.code_pb2 import Code
from plexus.type.v1.date_pb2 import Date
from services.triage.domain import MONTHS_PER_YEAR, PatientContext, Sex

_SEX = {
    AdministrativeSex.ADMINISTRATIVE_SEX_FEMALE: Sex.FEMALE,
    AdministrativeSex.ADMINISTRATIVE_SEX_MALE: Sex.MALE,
}
# FHIR R4 condition-clinical: these three are the active ones, the rest have passed. A status that is
# not stated counts as active unless the condition has ended.
_ACTIVE = frozenset({"active", "recurrence", "relapse"})
_NOT_SO = frozenset({"refuted", "entered-in-error"})
_ADULT = 18 * MONTHS_PER_YEAR
# SNOMED CT's pregnancies; of ICD-10 chapter XV what is not over, and Z33 and Z34.
_SNOMED, _ICD10 = "http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10"
_PREGNANCIES = frozenset({"72892002", "77386006", "47200007", "237238006"})
_ICD10_PREGNANCIES = ("Z33", "Z34", "O00", "O09", "O1", "O2", "O3", "O4")
# No pregnancy lasts 44 weeks: one that began earlier was not closed in the chart.
_LONGEST_PREGNANCY = timedelta(weeks=44)


def read(chart: Chart, now: datetime) -> PatientContext:
    """What a chart tells about a patient now."""
    active = [each for each in chart.conditions if _is_active(each) and not _is_stale(each, now)]
    pregnant = any(_is_pregnancy(each.code) for each in active)
    sex = _SEX.get(chart.patient.sex)
    return PatientContext(
        age_months=age_months(chart.patient.birth_date, now.date())
        if chart.patient.HasField("birth_date")
        else None,
        # A chart that says both has one of them wrong, and nobody knows which.
        sex=None if pregnant and sex is Sex.MALE else sex,
        conditions=_names(each.code for each in active),
        medications=_names(each.code for each in chart.medications if _is_taken(each)),
        pregnant=True if pregnant else None,
    )


def age_months(birth: Date, today: date) -> int | None:
    """Whole months since a birth; None when the date does not tell.

    When the date is not whole, an adult counts as the oldest and a child as the youngest they can
    be, which is the graver reading of rules about age. A child's year alone tells too little.
    """
    oldest = _months(_day(birth.year, birth.month or 1, birth.day or 1), today)
    youngest = _months(_day(birth.year, birth.month or 12, birth.day or 31), today)
    if oldest < 0:
        return None
    if birth.day or youngest >= _ADULT:
        return oldest
    return max(youngest, 0) if birth.month else None


def _day(year: int, month: int, day: int) -> date:
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def _months(birth: date, today: date) -> int:
    months = (today.year - birth.year) * MONTHS_PER_YEAR + today.month - birth.month
    return months - (today.day < birth.day)


def _is_active(condition: Condition) -> bool:
    if condition.verification_status in _NOT_SO:
        return False
    if not condition.clinical_status:
        return not condition.HasField("abatement_time")
    return condition.clinical_status in _ACTIVE


def _is_stale(condition: Condition, now: datetime) -> bool:
    if not _is_pregnancy(condition.code) or not condition.HasField("onset_time"):
        return False
    return now - condition.onset_time.ToDatetime(UTC) > _LONGEST_PREGNANCY


def _is_pregnancy(code: Code) -> bool:
    if code.system == _SNOMED:
        return code.code in _PREGNANCIES
    return code.system.startswith(_ICD10) and code.code.startswith(_ICD10_PREGNANCIES)


def _is_taken(medication: Medication) -> bool:
    return medication.status == "active"


def _names(codes: Iterable[Code]) -> tuple[str, ...]:
    return tuple(sorted({code.display for code in codes if code.display}))
