"""What is given back of what was taken in: charts, coverages, originals."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from plexus.errors import Invalid, NotFound
from plexus.records.v1 import records_service_pb2 as api
from plexus.type.v1.date_pb2 import Date
from services.records.domain.identity import resource_id
from tests.services.records.conftest import (
    NOW,
    SOURCE,
    Json,
    RecordsServer,
    condition,
    pat,
    patient,
)

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
URN = "urn:uuid:00000000-0000-4000-8000-000000000001"
URL = "https://ehr.example.org/fhir/Patient/p1"


def _about(kind: str, identity: str, **more: Any) -> Json:
    return {"resourceType": kind, "id": identity, "subject": {"reference": "Patient/p1"}, **more}


def _status(system: str, code: str) -> Json:
    coding = {"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code}
    return {"coding": [coding]}


WHOLE: list[Json] = [
    patient(name=[{"family": "Aalto"}], generalPractitioner=[{"reference": "Practitioner/d1"}]),
    _about(
        "Encounter",
        "e1",
        status="finished",
        period={"start": "2026-01-01T10:00:00Z", "end": "2026-01-01T10:30:00Z"},
        serviceProvider={"reference": "Organization/o1"},
        **{"class": {"code": "AMB"}},
    ),
    condition(encounter={"reference": "Encounter/e1"}, onsetDateTime="2026-01-01"),
    condition("c2", onsetDateTime="2026-03"),
    condition("c3"),
    _about(
        "Observation",
        "b1",
        status="final",
        code={"text": "x"},
        effectiveDateTime="2026-01-01T10:00:00+02:00",
        valueQuantity={"value": 5, "comparator": "<", "unit": "mg"},
    ),
    {
        "resourceType": "AllergyIntolerance",
        "id": "a1",
        "patient": {"reference": "Patient/p1"},
        "clinicalStatus": _status("allergyintolerance-clinical", "inactive"),
        "verificationStatus": _status("allergyintolerance-verification", "refuted"),
    },
    _about(
        "MedicationRequest",
        "m1",
        status="active",
        intent="order",
        medicationReference={"reference": "Medication/m0"},
    ),
    {
        "resourceType": "Immunization",
        "id": "i1",
        "status": "completed",
        "vaccineCode": {"text": "x"},
        "patient": {"reference": "Patient/p1"},
        "occurrenceDateTime": "2020",
    },
    _about("Procedure", "r1", status="completed", performedDateTime="2026-01-01"),
    _about(
        "DiagnosticReport",
        "g1",
        status="final",
        code={"text": "x"},
        result=[{"reference": "Observation/b1"}],
    ),
    _about("DocumentReference", "d1", status="current", content=[{"attachment": {"title": "x"}}]),
    {
        "resourceType": "Coverage",
        "id": "v1",
        "status": "active",
        "beneficiary": {"reference": "Patient/p1"},
        "payor": [{"reference": "Organization/o2"}],
    },
    _about("CarePlan", "l1", status="active", intent="plan"),
    {
        "resourceType": "Medication",
        "id": "m0",
        "code": {"coding": [{"system": RXNORM, "code": "1"}]},
    },
    {"resourceType": "Organization", "id": "o1", "name": "North"},
    {"resourceType": "Organization", "id": "o2", "name": "Payer"},
    {"resourceType": "Practitioner", "id": "d1"},
]
OF_OTHERS: list[Json] = [
    patient("p2"),
    condition("c9", of="Patient/p2"),
    {"resourceType": "Organization", "id": "o9", "name": "Not needed"},
]
KINDS = [
    "encounters",
    "conditions",
    "observations",
    "allergies",
    "medications",
    "immunizations",
    "procedures",
    "diagnostic_reports",
    "documents",
    "coverages",
]


@pytest.mark.parametrize("seed", range(3))
def test_a_chart_is_complete_in_whatever_order_its_resources_came(
    records: RecordsServer, seed: int
) -> None:
    arriving = WHOLE[seed * 6 :] + WHOLE[: seed * 6]
    for resource in arriving if seed else [*reversed(arriving)]:
        records.take(resource)
    chart = records.chart(pat())
    assert {kind: len(getattr(chart, kind)) for kind in KINDS} == dict.fromkeys(KINDS, 1) | {
        "conditions": 3
    }
    assert chart.patient.id == pat()
    assert chart.encounters[0].provider == "North"
    assert chart.medications[0].code.code == "1"
    assert chart.coverages[0].payer == "Payer"
    assert chart.conditions[1].encounter_id == chart.encounters[0].id
    assert list(chart.diagnostic_reports[0].observation_ids) == [chart.observations[0].id]
    assert chart.observations[0].value.text == "<5 mg"
    assert chart.allergies[0].verification_status == "refuted"
    assert chart.read_time.ToDatetime(tzinfo=NOW.tzinfo) == NOW


def test_a_chart_is_newest_first_and_the_undated_last(records: RecordsServer) -> None:
    records.take(*WHOLE)
    assert [one.id for one in records.chart(pat()).conditions] == [
        resource_id(SOURCE, "Condition", name) for name in ("c2", "c1", "c3")
    ]


def test_a_chart_takes_three_statements_however_large(local_records: RecordsServer) -> None:
    local_records.take(*WHOLE, *(condition(f"n{i}") for i in range(50)))
    with _statements() as statements:
        local_records.chart(pat())
    assert len(statements) == 3


def test_a_resource_that_comes_before_its_patient_waits_for_it(records: RecordsServer) -> None:
    response = records.take(condition())
    assert list(response.patient_ids) == [pat()]
    with pytest.raises(NotFound) as refused:
        records.chart(pat())
    assert refused.value.reason == "PATIENT_NOT_FOUND"
    assert refused.value.metadata == {"patient_id": pat()}
    records.take(patient())
    assert len(records.chart(pat()).conditions) == 1


REFERENCES: list[tuple[str, str, Json]] = [
    ("an identifier", "Patient?identifier=http://a|7", {"system": "http://a", "value": "7"}),
    ("an identifier of any system", "Patient?identifier=7", {"system": "http://a", "value": "7"}),
]


@pytest.mark.parametrize("patient_first", [True, False])
@pytest.mark.parametrize(
    ("reference", "identifier"), [case[1:] for case in REFERENCES], ids=[c[0] for c in REFERENCES]
)
def test_a_patient_is_found_by(
    records: RecordsServer, reference: str, identifier: Json, patient_first: bool
) -> None:
    files = [condition(of=reference), patient(identifier=[identifier])]
    for resource in reversed(files) if patient_first else files:
        records.take(resource)
    assert len(records.chart(pat()).conditions) == 1
    assert len(records.export(pat(), 2)) == 2


@pytest.mark.parametrize("url", [URN, URL], ids=["urn", "url"])
def test_a_patient_is_found_by_the_full_url_of_another_bundle(
    records: RecordsServer, url: str
) -> None:
    records.take(condition(of=url))
    entry = {"fullUrl": url, "resource": patient()}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [entry]}
    records.send(json.dumps(bundle).encode())
    assert len(records.chart(pat()).conditions) == 1


def test_an_identifier_of_two_patients_leads_to_neither(records: RecordsServer) -> None:
    same = [{"system": "http://a", "value": "7"}]
    records.take(condition(of="Patient?identifier=http://a|7"), patient(identifier=same))
    assert len(records.chart(pat()).conditions) == 1
    records.take(patient("p2", identifier=same))
    assert [len(records.chart(pat(name)).conditions) for name in ("p1", "p2")] == [0, 0]


def test_export_gives_back_the_whole_record_and_what_it_needs_and_nothing_of_others(
    records: RecordsServer,
) -> None:
    records.take(*WHOLE, *OF_OTHERS)
    exported = records.export(pat(), len(WHOLE))
    assert exported[0].resource_type == "Patient"
    expected = sorted(json.dumps(resource, separators=(",", ":")) for resource in WHOLE)
    assert sorted(one.resource_json.decode() for one in exported) == expected
    assert {(one.source, one.source_id) for one in exported} == {
        (SOURCE, resource["id"]) for resource in WHOLE
    }


def test_an_original_keeps_every_digit_and_the_order_of_its_names(
    local_records: RecordsServer,
) -> None:
    text = (
        '{"id":"b1","resourceType":"Observation","status":"final","code":{"text":"\\u00e9 é"},'
        '"subject":{"reference":"Patient/p1"},"valueQuantity":{"value":1.50}}'
    )
    local_records.send(json.dumps(patient()).encode() + b"\n" + text.encode())
    (_, observation) = local_records.export(pat(), 2)
    assert observation.resource_json.decode() == text


def _coverage(identity: str, payer: str = "A", **more: Any) -> Json:
    return {
        "resourceType": "Coverage",
        "id": identity,
        "status": "active",
        "beneficiary": {"reference": "Patient/p1"},
        "payor": [{"display": payer}],
        **more,
    }


def _explanation(identity: str, contained: Json, created: str = "2020-01-01") -> Json:
    return {
        "resourceType": "ExplanationOfBenefit",
        "id": identity,
        "status": "active",
        "type": {"text": "x"},
        "use": "claim",
        "patient": {"reference": "Patient/p1"},
        "created": created,
        "insurer": {"display": "A"},
        "provider": {"display": "B"},
        "outcome": "complete",
        "insurance": [{"focal": True, "coverage": {"reference": f"#{contained['id']}"}}],
        "contained": [contained],
    }


COVERAGES: list[tuple[str, list[Json], list[tuple[str, str]]]] = [
    (
        "told by every explanation of benefits",
        [_explanation(f"x{i}", _coverage("cov")) for i in range(3)],
        [("A", "")],
    ),
    (
        "two payers, the one told last first",
        [
            _explanation("x1", _coverage("cov", "A"), "2020-01-01"),
            _explanation("x2", _coverage("cov", "B"), "2021-01-01"),
        ],
        [("B", ""), ("A", "")],
    ),
    (
        "told by itself and again by an explanation",
        [_coverage("v1", subscriberId="7"), _explanation("x1", _coverage("cov"))],
        [("A", "7")],
    ),
    (
        "two plans of one payer",
        [_coverage("v1", type={"text": "gold"}), _coverage("v2", type={"text": "iron"})],
        [("A", ""), ("A", "")],
    ),
    (
        "one that is over comes last",
        [
            _coverage("v1", "A", period={"start": "2026-01-01", "end": "2026-04-30"}),
            _coverage("v2", "B", period={"start": "2020"}),
        ],
        [("B", ""), ("A", "")],
    ),
]


@pytest.mark.parametrize(
    ("resources", "expected"), [case[1:] for case in COVERAGES], ids=[c[0] for c in COVERAGES]
)
def test_a_coverage_stands_once_and_those_in_force_first(
    local_records: RecordsServer, resources: list[Json], expected: list[tuple[str, str]]
) -> None:
    local_records.take(patient(), *resources)
    listed = _list_coverages(local_records)
    assert [(one.payer, one.member_id) for one in listed] == expected
    assert listed == list(local_records.chart(pat()).coverages)


PERIOD = {"start": "2026-01-15", "end": "2026-03"}
DAYS: list[tuple[Json, Date, bool]] = [
    (PERIOD, Date(year=2026, month=1, day=14), False),
    (PERIOD, Date(year=2026, month=1, day=15), True),
    (PERIOD, Date(year=2026, month=1), True),
    (PERIOD, Date(year=2026, month=3, day=31), True),
    (PERIOD, Date(year=2026, month=4, day=1), False),
    (PERIOD, Date(year=2025), False),
    ({"start": "2026-01-15"}, Date(year=2099, month=1, day=1), True),
    ({"end": "2026"}, Date(year=1999, month=1, day=1), True),
]


@pytest.mark.parametrize(("period", "day", "covered"), DAYS)
def test_coverages_of_a_day_are_those_that_cover_it(
    local_records: RecordsServer, period: Json, day: Date, covered: bool
) -> None:
    local_records.take(patient(), _coverage("v1", period=period), _cancelled())
    assert len(_list_coverages(local_records, day)) == covered


def test_a_patient_that_is_not_there_is_said_to_be_missing_by_every_method(
    local_records: RecordsServer,
) -> None:
    for method, request in (
        ("GetPatient", api.GetPatientRequest),
        ("GetChart", api.GetChartRequest),
        ("ListCoverages", api.ListCoveragesRequest),
    ):
        with pytest.raises(NotFound) as refused:
            local_records.calls.call(method, request(patient_id="pat_aaaaaaaa"))
        assert refused.value.reason == "PATIENT_NOT_FOUND"
    with pytest.raises(NotFound):
        local_records.calls.all("ExportPatient", api.ExportPatientRequest(patient_id=pat()), 0)
    with pytest.raises(Invalid):
        local_records.calls.call("GetPatient", api.GetPatientRequest(patient_id="Patient/1"))


def _cancelled() -> Json:
    return _coverage("v0", "Z") | {"status": "cancelled"}


def _list_coverages(records: RecordsServer, day: Date | None = None) -> list[Any]:
    request = api.ListCoveragesRequest(patient_id=pat(), date=day)
    return list(records.calls.call("ListCoverages", request).coverages)


@contextmanager
def _statements() -> Iterator[list[str]]:
    """The statements executed inside."""
    executed: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        executed.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    yield executed
    sa.event.remove(sa.Engine, "before_cursor_execute", note)
