"""The rules that need no store: versions, and FHIR's values as the contract's."""

from datetime import UTC, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from plexus.records.v1.observation_pb2 import ObservationValue, Quantity
from plexus.type.v1.code_pb2 import Code
from services.records.domain.names import after_all
from services.records.domain.versions import History, Verdict, Version, judge_all
from services.records.fhir.values import (
    read_concept,
    read_period,
    read_value,
)
from services.records.messages import values
from services.records.messages.values import RXNORM, SNOMED
from tests.services.records.conftest import Json

UCUM = "http://unitsofmeasure.org"


def _version(content: str, number: str = "") -> Version:
    return Version(content.encode(), number, None)


ARRIVALS: list[tuple[str, str, str]] = [
    ("each newer than the last", "abc", "crr"),
    ("repeated at once", "aab", "cur"),
    ("an older one again", "aba", "cro"),
    ("to and fro", "abab", "crou"),
]


@pytest.mark.parametrize(
    ("contents", "verdicts"), [case[1:] for case in ARRIVALS], ids=[c[0] for c in ARRIVALS]
)
def test_versions_that_say_nothing_of_their_age_are_judged_in_the_order_they_come(
    contents: str, verdicts: str
) -> None:
    judged, known = judge_all([("x", _version(content)) for content in contents], {})
    assert "".join(one.value[0] for one in judged) == verdicts
    again, unmoved = judge_all([("x", _version(content)) for content in contents], known)
    assert not any(one.is_kept for one in again)
    assert unmoved == known


def test_a_version_that_was_here_before_returns_if_its_number_says_that_it_is_newer() -> None:
    known = {"x": History(_version("b", "2"), frozenset({b"a"}))}
    assert judge_all([("x", _version("a", "3"))], known)[0] == [Verdict.REPLACED]


PERIODS: list[tuple[Json, str, str]] = [
    ({"start": "2026-01-01", "end": "2026-01-31"}, "2026-01-01", "2026-02-01"),
    ({"start": "2026-01", "end": "2026-12"}, "2026-01-01", "2027-01-01"),
    ({"start": "2026", "end": "2026"}, "2026-01-01", "2027-01-01"),
    (
        {"start": "2026-01-01T10:00:00+02:00", "end": "2026-01-01T09:00:00Z"},
        "2026-01-01T08:00:00",
        "2026-01-01T09:00:00",
    ),
    (
        {"start": "2026-01-01T10:00:00Z", "end": "2026-01-01T10:00:00Z"},
        "2026-01-01T10:00:00",
        "2026-01-01T10:00:01",
    ),
    ({"end": "9999"}, "", "9999-01-01"),
]


@pytest.mark.parametrize(("json", "start", "end"), PERIODS, ids=str)
def test_a_period_ends_where_its_last_instant_is_over(json: Json, start: str, end: str) -> None:
    period = values.period(read_period(json))
    assert period is not None
    assert period.HasField("start") == bool(start)
    for written, found in ((start, period.start), (end, period.end)):
        if written:
            assert found == _timestamp(written)


def _timestamp(text: str) -> Timestamp:
    return values.timestamp(datetime.fromisoformat(text).replace(tzinfo=UTC))


FINDINGS: list[tuple[Json, ObservationValue | None]] = [
    (
        {"valueQuantity": {"value": 1.5, "unit": "millimeters", "system": UCUM, "code": "mm"}},
        ObservationValue(quantity=Quantity(value=1.5, unit="mm")),
    ),
    (
        {"valueQuantity": {"value": 5, "comparator": ">=", "unit": "g"}},
        ObservationValue(text=">=5 g"),
    ),
    ({"valueQuantity": {"unit": "g"}}, None),
    ({"valueInteger": 0}, ObservationValue(quantity=Quantity(value=0))),
    ({"valueBoolean": False}, ObservationValue(text="false")),
    ({"valueString": "x"}, ObservationValue(text="x")),
    ({"valueCodeableConcept": {"text": "x"}}, ObservationValue(code=Code(display="x"))),
    ({"valueRange": {"low": {"value": 1}}}, None),
    ({}, None),
]


@pytest.mark.parametrize(("json", "expected"), FINDINGS, ids=str)
def test_a_finding_is_never_given_a_meaning_that_it_has_not(
    json: Json, expected: ObservationValue | None
) -> None:
    assert values.found_value(read_value(json)) == expected


def test_a_concept_is_told_by_the_code_system_that_its_kind_is_known_by() -> None:
    concept = read_concept(
        {
            "coding": [
                {"system": "http://local", "code": "l"},
                {"system": SNOMED, "code": "s", "display": "said"},
            ],
            "text": "words",
        }
    )
    assert values.code(concept, SNOMED) == Code(system=SNOMED, code="s", display="said")
    first = Code(system="http://local", code="l", display="words")
    assert values.code(concept, RXNORM) == first


@pytest.mark.parametrize("prefix", ["a", "az", "ß", "퟿", "李"])
def test_a_range_of_names_holds_those_that_begin_with_its_first_and_no_others(prefix: str) -> None:
    end = after_all(prefix)
    assert prefix < prefix + "￿" < end
    assert not end.startswith(prefix)
    end.encode()
