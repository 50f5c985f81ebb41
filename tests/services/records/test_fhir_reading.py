"""Reading FHIR R4: what is let in, what is left out and where it says so."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.records.fhir import BadResource, Form, ParsedResource, read_resources
from services.records.fhir.facts import (
    ConditionFact,
    CoverageFact,
    MedicationFact,
    ObservationFact,
    PatientFact,
)
from services.records.fhir.moments import Precision
from services.records.fhir.values import Concept, Quantity

Json = dict[str, Any]
SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
PATIENT: Json = {"resourceType": "Patient", "id": "p1", "birthDate": "1980-02-29"}
OBSERVATION: Json = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "4548-4"}]},
    "subject": {"reference": "Patient/p1"},
}
CONDITION: Json = {
    "resourceType": "Condition",
    "id": "c1",
    "code": {"text": "x"},
    "subject": {"reference": "Patient/p1"},
}
URN = "urn:uuid:00000000-0000-4000-8000-00000000000"


def read(*documents: Json, form: Form = Form.DETECTED) -> list[ParsedResource | BadResource]:
    lines = b"\n".join(json.dumps(document).encode() for document in documents)
    return list(read_resources([lines], form))


def parsed(*documents: Json) -> list[ParsedResource]:
    return [item for item in read(*documents) if isinstance(item, ParsedResource)]


def bundle(*entries: Json, kind: str = "transaction") -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def entry(resource: Json, number: int) -> Json:
    return {
        "fullUrl": f"{URN}{number}",
        "resource": resource,
        "request": {"method": "POST", "url": resource.get("resourceType", "")},
    }


EXTENSION = {"url": "http://example.org/x", "valueString": "y"}
VALID: list[tuple[str, Json]] = [
    ("year only", PATIENT | {"birthDate": "1980"}),
    ("year and month", PATIENT | {"birthDate": "1980-02"}),
    ("leap second", PATIENT | {"deceasedDateTime": "2016-12-31T23:59:60Z"}),
    (
        "null beside its extension",
        PATIENT | {"name": [{"given": ["A", None], "_given": [None, {"extension": [EXTENSION]}]}]},
    ),
    (
        "required element by its extension alone",
        {k: v for k, v in OBSERVATION.items() if k != "status"}
        | {"_status": {"extension": [EXTENSION]}},
    ),
    (
        "open choice of Meta",
        PATIENT | {"extension": [{"url": "http://example.org/x", "valueMeta": {"versionId": "1"}}]},
    ),
    (
        "period within one day of unequal precision",
        PATIENT
        | {"name": [{"text": "A", "period": {"start": "2020-05-01T10:00:00Z", "end": "2020-05"}}]},
    ),
    (
        "a start on the next day of another zone",
        PATIENT
        | {
            "name": [
                {"text": "A", "period": {"start": "2020-05-02T00:30:00+02:00", "end": "2020-05-01"}}
            ]
        },
    ),
    (
        "a local code beside the required one",
        CONDITION
        | {
            "clinicalStatus": {
                "coding": [
                    {"system": "http://example.org/status", "code": "ongoing"},
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/condition-clinical",
                        "code": "active",
                    },
                ]
            }
        },
    ),
    (
        "a type that changed after R4",
        {"resourceType": "MedicinalProduct", "name": [{"productName": "A"}]},
    ),
]

INVALID: list[tuple[str, Json, str]] = [
    ("a day that does not exist", PATIENT | {"birthDate": "1981-02-29"}, "$.birthDate"),
    (
        "meta of a type that changed after R4",
        {"resourceType": "MedicinalProduct", "meta": {"lastUpdated": "soon"}},
        "$.meta.lastUpdated",
    ),
    (
        "id of a type that changed after R4",
        {"resourceType": "MedicinalProduct", "id": "x" * 65},
        "$.id",
    ),
    ("a date in another order", PATIENT | {"birthDate": "29/02/1980"}, "$.birthDate"),
    (
        "a time without zone",
        PATIENT | {"deceasedDateTime": "2016-12-31T23:59:00"},
        "$.deceasedDateTime",
    ),
    ("a code R4 does not bind", PATIENT | {"gender": "f"}, "$.gender"),
    ("a number as text", PATIENT | {"multipleBirthInteger": "2"}, "$.multipleBirthInteger"),
    ("a flag as number", PATIENT | {"active": 1}, "$.active"),
    ("one value for a list", PATIENT | {"name": {"family": "A"}}, "$.name"),
    ("a list for one value", PATIENT | {"gender": ["male"]}, "$.gender"),
    ("an empty list", PATIENT | {"name": []}, "$.name"),
    ("an empty object", PATIENT | {"name": [{}]}, "$.name[0]"),
    ("an empty string", PATIENT | {"name": [{"family": ""}]}, "$.name[0].family"),
    ("a null", PATIENT | {"birthDate": None}, "$.birthDate"),
    ("a null in a list", PATIENT | {"name": [{"given": ["A", None]}]}, "$.name[0].given[1]"),
    ("a control character", PATIENT | {"name": [{"family": "A\u0000"}]}, "$.name[0].family"),
    ("half a surrogate pair", PATIENT | {"name": [{"family": "\ud800"}]}, "$.name[0].family"),
    ("an unknown element", PATIENT | {"nickname": "A"}, "$.?"),
    ("an extension of nothing", PATIENT | {"_nickname": {"id": "a"}}, "$.?"),
    (
        "both choices",
        PATIENT | {"deceasedBoolean": True, "deceasedDateTime": "2016"},
        "$.deceasedDateTime",
    ),
    ("an id that is none", PATIENT | {"id": "a b"}, "$.id"),
    ("no status", {k: v for k, v in OBSERVATION.items() if k != "status"}, "$.status"),
    (
        "no medication",
        {
            "resourceType": "MedicationRequest",
            "status": "active",
            "intent": "order",
            "subject": {"reference": "Patient/p1"},
        },
        "$.medication",
    ),
    (
        "a component without code",
        OBSERVATION | {"component": [{"valueString": "a"}]},
        "$.component[0].code",
    ),
    (
        "a value and why there is none",
        OBSERVATION | {"valueString": "a", "dataAbsentReason": {"text": "b"}},
        "$.dataAbsentReason",
    ),
    (
        "a unit code of no system",
        OBSERVATION | {"valueQuantity": {"value": 1, "code": "kg"}},
        "$.valueQuantity.system",
    ),
    (
        "an end before its start",
        PATIENT | {"name": [{"text": "A", "period": {"start": "2020-05", "end": "2020-04-30"}}]},
        "$.name[0].period.end",
    ),
    (
        "a telephone number of no system",
        PATIENT | {"telecom": [{"value": "1"}]},
        "$.telecom[0].system",
    ),
    (
        "abated and active",
        CONDITION
        | {
            "abatementDateTime": "2020",
            "clinicalStatus": {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/condition-clinical",
                        "code": "active",
                    }
                ]
            },
        },
        "$.clinicalStatus",
    ),
    (
        "a local reference to nothing",
        CONDITION | {"subject": {"reference": "#p"}},
        "$.subject.reference",
    ),
    (
        "a contained resource that is broken",
        CONDITION | {"contained": [PATIENT | {"gender": "f"}]},
        "$.contained[0].gender",
    ),
    ("no type", {"id": "a"}, "$.resourceType"),
    ("a type R4 does not have", {"resourceType": "Doctor", "id": "a"}, "$.resourceType"),
    ("a data type for a resource", {"resourceType": "HumanName", "family": "A"}, "$.resourceType"),
]


@pytest.mark.parametrize(("resource"), [pytest.param(r, id=n) for n, r in VALID])
def test_what_r4_allows_is_let_in(resource: Json) -> None:
    assert [type(item) for item in read(resource)] == [ParsedResource]


@pytest.mark.parametrize(("resource", "path"), [pytest.param(r, p, id=n) for n, r, p in INVALID])
def test_what_r4_forbids_is_left_out_and_its_path_told(resource: Json, path: str) -> None:
    (item,) = read(resource)
    assert isinstance(item, BadResource)
    assert item.path == path


@pytest.mark.parametrize("number", range(3))
def test_a_bad_entry_keeps_its_neighbours(number: int) -> None:
    resources = [PATIENT, OBSERVATION, CONDITION]
    resources[number] = resources[number] | {"status": "wrong", "gender": 7}
    items = read(bundle(*(entry(r, i) for i, r in enumerate(resources))))
    paths = [item.path for item in items]
    assert [isinstance(item, BadResource) for item in items] == [i == number for i in range(3)]
    assert paths[number].startswith(f"$.entry[{number}].resource.")


BROKEN_BUNDLES: list[tuple[str, bytes, str]] = [
    ("cut off", json.dumps(bundle(entry(PATIENT, 1))).encode()[:-3], "$"),
    ("no type", b'{"resourceType":"Bundle","entry":[]}', "$.type"),
    ("an answer, not a request", b'{"resourceType":"Bundle","type":"batch-response"}', "$.type"),
    ("a type that is a list", b'{"resourceType":"Bundle","type":["batch"]}', "$.type"),
    ("entries in an object", b'{"resourceType":"Bundle","type":"batch","entry":{}}', "$.entry"),
    ("not UTF-8", b'{"resourceType":"Patient","id":"\xff"}', "$"),
    ("not JSON", b"<Patient/>", "$"),
    ("a list", b"[]", "$"),
    ("a number JSON lacks", b'{"resourceType":"Patient","multipleBirthInteger":NaN}', "$"),
    ("far too deep", b'{"a":' * 100_000, "$"),
    ("deep", b'{"resourceType":"Basic","a":' + b"[" * 300 + b"]" * 300 + b"}", "$.?"),
    ("a name twice", b'{"resourceType":"Patient","id":"a","id":"b"}', "$"),
]


@pytest.mark.parametrize(("data", "path"), [pytest.param(d, p, id=n) for n, d, p in BROKEN_BUNDLES])
def test_a_document_that_cannot_be_read_is_one_error(data: bytes, path: str) -> None:
    (item,) = read_resources([data])
    assert isinstance(item, BadResource)
    assert item.path == path


def test_entries_without_anything_to_keep_say_so() -> None:
    items = read(
        bundle(
            {"fullUrl": f"{URN}1"},
            {"request": {"method": "DELETE", "url": "Patient/p1"}},
            entry(PATIENT, 2),
            entry(OBSERVATION, 2),
            entry(PATIENT, 3) | {"request": {"method": {}}},
            entry(PATIENT, 4) | {"fullUrl": 4},
        )
    )
    assert [item.path for item in items] == [
        "$.entry[0].resource",
        "$.entry[1].request.method",
        "$.entry[2].resource",
        "$.entry[3].fullUrl",
        "$.entry[4].request.method",
        "$.entry[5].fullUrl",
    ]


def test_an_error_never_holds_a_value() -> None:
    for _, resource, _ in INVALID:
        marked = json.loads(json.dumps(resource).replace('"f"', '"Secretvalue"'))
        text = " ".join(repr(item) for item in read(marked | {"language": "Secretvalue "}))
        assert text.count("Secretvalue") == 0


def test_a_parsed_resource_does_not_print_its_content() -> None:
    (item,) = parsed(PATIENT | {"id": "Secretid", "name": [{"family": "Secretname"}]})
    assert repr((item, item.facts)).count("Secret") == 0


def test_bad_lines_are_left_out_alone() -> None:
    lines = [json.dumps(PATIENT), "{broken", "", json.dumps(PATIENT | {"birthDate": "x"}), "7"]
    data = "\r\n".join([*lines, json.dumps(OBSERVATION)]).encode()
    items = list(read_resources([data]))
    assert [item.path for item in items] == [
        "line 1: $",
        "line 2: $",
        "line 4: $.birthDate",
        "line 5: $",
        "line 6: $",
    ]
    assert [isinstance(item, BadResource) for item in items] == [False, True, True, True, False]


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
@pytest.mark.parametrize("indent", [None, 2])
def test_the_size_of_the_chunks_changes_nothing(size: int, indent: int | None) -> None:
    document = bundle(entry(PATIENT, 1), entry(OBSERVATION, 2), kind="collection")
    data = json.dumps(document, indent=indent).encode()
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    assert list(read_resources(chunks)) == list(read_resources([json.dumps(document).encode()]))


def test_lines_are_read_as_they_arrive() -> None:
    taken: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(100):
            taken.append(number)
            yield json.dumps(PATIENT | {"id": str(number)}).encode() + b"\n"

    items = read_resources(chunks())
    next(items)
    assert len(taken) < 5


def test_a_line_over_the_limit_is_passed_over() -> None:
    large = json.dumps(PATIENT | {"name": [{"family": "A" * 5000}]}).encode()
    small = json.dumps(PATIENT).encode()
    items = list(read_resources([small, b"\n", large, b"\n", small], limit=1000))
    assert [isinstance(item, BadResource) for item in items] == [False, True, False]
    assert items[1].path == "line 2: $"


def test_a_file_of_one_line_is_read_as_its_form_says() -> None:
    wrong = PATIENT | {"birthDate": "x"}
    assert [item.path for item in read(wrong)] == ["$.birthDate"]
    assert [item.path for item in read(wrong, form=Form.NDJSON)] == ["line 1: $.birthDate"]
    assert list(read_resources([b"", b" \n"])) == []


def test_the_original_keeps_every_token() -> None:
    text = '{ "resourceType": "Observation", "status": "final",\n "code": {"text": "a  \\u00e9 {"},'
    text += ' "valueQuantity": {"value": 1.50}, "referenceRange": [{"low": {"value": 1e2}}]}'
    (item,) = read_resources([text.encode()])
    assert isinstance(item, ParsedResource)
    expected = text.replace(": ", ":").replace(", ", ",").replace("{ ", "{").replace(",\n ", ",")
    assert item.original.decode() == expected


def test_references_inside_a_bundle_become_type_and_id() -> None:
    encounter = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": f"{URN}1"},
        "participant": [{"individual": {"reference": "Practitioner?identifier=a|b"}}],
        "serviceProvider": {"reference": "http://example.org/fhir/Organization/o"},
        "episodeOfCare": [{"reference": "EpisodeOfCare/e/_history/3"}],
    }
    _, item = parsed(bundle(entry(PATIENT, 1), entry(encounter, 2)))
    assert item.patient == "Patient/p1"
    assert item.id == f"{URN}2".removeprefix("urn:uuid:")
    assert sorted(reference.target for reference in item.references) == [
        "EpisodeOfCare/e",
        "Patient/p1",
        "Practitioner?identifier=a|b",
        "http://example.org/fhir/Organization/o",
    ]


OWNERS: list[tuple[Json, str]] = [
    (PATIENT, "Patient/p1"),
    (OBSERVATION, "Patient/p1"),
    ({"resourceType": "Organization", "name": "A"}, ""),
    (
        OBSERVATION | {"subject": {"identifier": {"system": "s", "value": "v"}}},
        "Patient?identifier=s|v",
    ),
    (OBSERVATION | {"subject": {"reference": "Group/g"}}, ""),
    (
        {
            "resourceType": "Appointment",
            "status": "booked",
            "participant": [
                {"actor": {"reference": "Practitioner/d"}, "status": "accepted"},
                {"actor": {"reference": "Patient/p1"}, "status": "accepted"},
            ],
        },
        "Patient/p1",
    ),
]


@pytest.mark.parametrize(("resource", "owner"), OWNERS)
def test_a_resource_knows_whose_it_is(resource: Json, owner: str) -> None:
    (item,) = parsed(resource)
    assert item.patient == owner


def test_a_resource_without_an_id_always_gets_the_same_one() -> None:
    anonymous = {"resourceType": "Organization", "name": "A"}
    first, second = parsed(anonymous)[0].id, parsed(anonymous)[0].id
    other = parsed(anonymous | {"name": "B"})[0].id
    assert first == second != other


def test_dates_keep_their_precision_and_times_their_offset() -> None:
    (item,) = parsed(
        PATIENT | {"birthDate": "1980", "deceasedDateTime": "2001-01-01T01:00:00+05:00"}
    )
    (fact,) = item.facts
    assert isinstance(fact, PatientFact)
    assert fact.birth_date is not None
    assert (fact.birth_date.text, fact.birth_date.precision) == ("1980", Precision.YEAR)
    assert fact.deceased_at is not None
    assert fact.deceased_at.text == "2001-01-01T01:00:00+05:00"
    assert fact.deceased_at.earliest == datetime(2000, 12, 31, 20, tzinfo=UTC)
    assert fact.deceased


def test_an_observation_gives_its_values() -> None:
    body = OBSERVATION | {
        "valueQuantity": {
            "value": 7.10,
            "unit": "%",
            "code": "%",
            "system": "http://unitsofmeasure.org",
        },
        "component": [
            {"code": {"text": "a"}, "valueCodeableConcept": {"text": "b"}},
            {"code": {"text": "a"}, "valueBoolean": False},
            {"code": {"text": "a"}, "valueInteger": 0},
        ],
    }
    fact = parsed(body)[0].facts[0]
    assert isinstance(fact, ObservationFact)
    assert fact.loinc == "4548-4"
    assert isinstance(fact.value, Quantity)
    assert fact.value.value == Decimal("7.1")
    assert [c.value for c in fact.components] == [Concept((), "b"), False, 0]


@pytest.mark.parametrize("place", ["contained", "bundled"])
def test_a_medicine_is_found_by_its_reference(place: str) -> None:
    medication = {"resourceType": "Medication", "id": "m", "code": {"text": "found"}}
    request: Json = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "medicationReference": {"reference": "#m" if place == "contained" else f"{URN}1"},
    }
    if place == "contained":
        items = parsed(request | {"contained": [medication]})
    else:
        items = parsed(bundle(entry(medication, 1), entry(request, 2)))
    (fact,) = items[-1].facts
    assert isinstance(fact, MedicationFact)
    assert fact.code is not None
    assert fact.code.label == "found"


def test_a_broken_medicine_costs_its_prescription_only_the_code() -> None:
    medication = {"resourceType": "Medication", "id": "m", "code": ["wrong"]}
    request: Json = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "medicationReference": {"reference": f"{URN}1"},
    }
    bad, good = read(bundle(entry(medication, 1), entry(request, 2)))
    assert isinstance(bad, BadResource)
    assert isinstance(good, ParsedResource)
    (fact,) = good.facts
    assert isinstance(fact, MedicationFact)
    assert (fact.code, fact.medication) == (None, "Medication/m")


def test_a_provenance_belongs_to_the_patient_of_its_target() -> None:
    provenance = {
        "resourceType": "Provenance",
        "target": [{"reference": f"{URN}1"}],
        "recorded": "2020-01-01T00:00:00Z",
        "agent": [{"who": {"display": "a"}}],
    }
    items = parsed(bundle(entry(OBSERVATION, 1), entry(provenance, 2)))
    assert [item.patient for item in items] == ["Patient/p1", "Patient/p1"]


def test_coverage_is_found_inside_an_explanation_of_benefit() -> None:
    coverage = {
        "resourceType": "Coverage",
        "id": "coverage",
        "status": "active",
        "subscriberId": "M1",
        "beneficiary": {"reference": "Patient/p1"},
        "payor": [{"display": "Payer"}],
    }
    benefit = {
        "resourceType": "ExplanationOfBenefit",
        "contained": [coverage],
        "status": "active",
        "type": {"text": "a"},
        "use": "claim",
        "patient": {"reference": "Patient/p1"},
        "created": "2020",
        "insurer": {"display": "a"},
        "provider": {"display": "a"},
        "outcome": "complete",
        "insurance": [{"focal": True, "coverage": {"reference": "#coverage"}}],
    }
    (fact,) = parsed(benefit)[0].facts
    (own,) = parsed(coverage)[0].facts
    assert isinstance(fact, CoverageFact)
    assert isinstance(own, CoverageFact)
    assert (fact.contained_id, own.contained_id) == ("coverage", "")
    assert fact.member_id == own.member_id == "M1"
    assert [payer.name for payer in fact.payers] == ["Payer"]


def test_a_condition_keeps_when_it_began_and_ended() -> None:
    body = CONDITION | {"onsetPeriod": {"start": "2019-03"}, "abatementDateTime": "2020"}
    (fact,) = parsed(body)[0].facts
    assert isinstance(fact, ConditionFact)
    assert fact.onset is not None
    assert fact.abatement is not None
    assert (fact.onset.text, fact.abatement.text) == ("2019-03", "2020")


def test_starting_a_service_does_not_load_the_fhir_tables() -> None:
    code = "import sys, services.records.fhir; sys.exit('fhir.resources' in sys.modules)"
    root = Path(__file__).resolve().parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


@pytest.mark.parametrize(
    ("folder", "pattern", "resources"),
    [
        ("synthea_r4_dev", "*.json", 1352),
        ("synthea_bulk_ndjson", "*.ndjson", 5945),
        ("fhir_us_core_examples", "**/*.json", 236),  # 230 files, five of them bundles of 11
    ],
)
def test_real_files_are_read_without_loss(folder: str, pattern: str, resources: int) -> None:
    if not (SHARED / folder).is_dir():
        pytest.skip(f"needs ../shared/data/{folder}")
    items = [
        item
        for file in sorted((SHARED / folder).glob(pattern))
        for item in read_resources([file.read_bytes()])
    ]
    assert [item.path for item in items if isinstance(item, BadResource)] == []
    assert len(items) == resources
