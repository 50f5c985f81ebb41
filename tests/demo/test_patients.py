"""Synthetic patients: the same for the same seed, and good FHIR."""

import json
from itertools import pairwise

import pytest

from demo.fhir_json import Json
from demo.patients import AS_OF, synthesize
from services.records.fhir import ParsedResource, read_resources

COUNT = 30


@pytest.fixture(scope="module")
def bundles() -> list[Json]:
    return list(synthesize(COUNT, seed=7))


def _resources(bundle: Json, kind: str) -> list[Json]:
    found = [entry["resource"] for entry in bundle["entry"]]
    return [resource for resource in found if resource["resourceType"] == kind]


def test_the_same_seed_gives_the_same_bytes(bundles: list[Json]) -> None:
    again = list(synthesize(COUNT, seed=7))
    other = list(synthesize(COUNT, seed=8))
    assert (json.dumps(again) == json.dumps(bundles), other[0] == bundles[0]) == (True, False)


def test_a_patient_does_not_depend_on_how_many_are_asked_for(bundles: list[Json]) -> None:
    assert (list(synthesize(3, seed=7)) == bundles[:3]) is True


def test_every_resource_is_accepted_and_belongs_to_its_patient(bundles: list[Json]) -> None:
    for bundle in bundles:
        items = list(read_resources([json.dumps(bundle).encode()]))
        assert [item.path for item in items if not isinstance(item, ParsedResource)] == []
        owners = {(i.type, i.patient) for i in items if isinstance(i, ParsedResource)}
        (patient,) = _resources(bundle, "Patient")
        assert {o for kind, o in owners if kind not in ("Organization", "Practitioner")} == {
            f"Patient/{patient['id']}"
        }
        assert {o for kind, o in owners if kind in ("Organization", "Practitioner")} == {""}


def test_every_reference_leads_into_its_own_bundle(bundles: list[Json]) -> None:
    for bundle in bundles:
        known = {f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in bundle["entry"]}
        items = read_resources([json.dumps(bundle).encode()])
        targets = {r.target for i in items if isinstance(i, ParsedResource) for r in i.references}
        assert targets - known == set()


def test_bundles_have_the_size_and_the_parts_of_a_chart(bundles: list[Json]) -> None:
    always = {"Patient", "Encounter", "Observation", "Procedure", "DiagnosticReport"}
    always |= {"DocumentReference", "Coverage", "Organization", "Immunization"}
    sizes = [len(bundle["entry"]) for bundle in bundles]
    assert (min(sizes) >= 20, max(sizes) <= 60) == (True, True)
    kinds = [{e["resource"]["resourceType"] for e in bundle["entry"]} for bundle in bundles]
    assert set.intersection(*kinds) >= always
    assert set.union(*kinds) >= {"Condition", "MedicationRequest", "AllergyIntolerance"}


def test_ages_reach_from_infants_to_the_very_old(bundles: list[Json]) -> None:
    years = sorted(int(_resources(b, "Patient")[0]["birthDate"][:4]) for b in bundles)
    assert years[0] <= AS_OF.year - 80
    assert years[-1] >= AS_OF.year - 2
    assert max(later - earlier for earlier, later in pairwise(years)) < 20


def test_nothing_happens_before_birth_or_after_the_fixed_day(bundles: list[Json]) -> None:
    for bundle in bundles:
        born = _resources(bundle, "Patient")[0]["birthDate"]
        days = [e["period"]["start"][:10] for e in _resources(bundle, "Encounter")]
        days += [i["occurrenceDateTime"] for i in _resources(bundle, "Immunization")]
        days += [c["onsetDateTime"] for c in _resources(bundle, "Condition")]
        assert [day for day in days if not born <= day <= AS_OF.isoformat()] == []


def test_only_women_of_the_right_age_are_pregnant() -> None:
    pregnant = 0
    for bundle in synthesize(300, seed=3):
        (patient,) = _resources(bundle, "Patient")
        codes = {c["code"]["coding"][0]["code"] for c in _resources(bundle, "Condition")}
        if "72892002" in codes:
            pregnant += 1
            age = AS_OF.year - int(patient["birthDate"][:4])
            assert (patient["gender"], 17 <= age <= 44) == ("female", True)
    assert pregnant > 0


@pytest.mark.parametrize("code", ["1364445", "855332", "311041", "105585"])
def test_medicines_that_change_urgency_are_there(code: str) -> None:
    """Two anticoagulants, an insulin and methotrexate, by RxNorm code."""
    given = {
        request["medicationCodeableConcept"]["coding"][0]["code"]
        for bundle in synthesize(300, seed=3)
        for request in _resources(bundle, "MedicationRequest")
    }
    assert code in given
