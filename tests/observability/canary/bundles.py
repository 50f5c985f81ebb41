"""FHIR with a value in everything that R4 lets say something of a person, and FHIR that is broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.observability.canary.birds import Flock

JsonObject = dict[str, Any]
_TERMS = "http://terminology.hl7.org/CodeSystem"


def bundle(flock: Flock) -> JsonObject:
    """A patient, and one resource of each kind that records reads facts from."""
    patient = _patient(flock)
    return {"resourceType": "Bundle", "type": "collection", "entry": [*_entries(flock, patient)]}


def broken(flock: Flock) -> Iterator[bytes]:
    """Bundles with a broken resource, and what is no bundle; a value stands where it breaks."""
    for path, value in _breaks(flock):
        whole = bundle(flock)
        _break(whole["entry"][0]["resource"], path, value)
        yield json.dumps(whole).encode()
    word = flock.text("content")
    text = json.dumps(bundle(flock))
    yield text[: len(text) // 2].encode()
    yield text.encode().replace(b'"female"', f'"female\xff{word}"'.encode("latin-1"))
    yield f"{word} is no JSON".encode()
    yield f'{{"resourceType": "{word}"}}'.encode()
    yield f'{{"resourceType": "Bundle", "type": "{word}", "entry": "{word}"}}'.encode()
    yield f'[{{"{word}": 1}}]'.encode()
    yield ("[" * 5000 + f'"{word}"').encode()
    yield f'{{"resourceType": "Patient", "{word}": NaN, "birthDate": 1e{"9" * 5000}}}'.encode()
    yield (json.dumps(_patient(flock)) + "\n" + f'{{"{word}"').encode()


def _breaks(flock: Flock) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    word = flock.text
    yield ("birthDate",), word("birthDate")
    yield ("birthDate",), f"{flock.date('birthDate')}T25:61"
    yield ("gender",), word("gender")
    yield ("deceasedDateTime",), word("deceased")
    yield ("name",), word("name")
    yield ("name", 0, "family"), [word("family")]
    yield ("name", 0, "use"), word("name.use")
    yield ("telecom", 0, "system"), word("telecom.system")
    yield ("address", 0, "period"), {"start": word("period")}
    yield (word("an element that is none"),), word("its value")
    yield ("name", 0, word("an element that is none")), word("its value")
    yield ("_birthDate",), {"extension": word("extension")}
    yield ("contact",), [{"name": {"family": {"deep": word("contact")}}}]
    yield ("active",), word("active")
    yield ("id",), f"{word('id')} with spaces and {'x' * 80}"
    yield ("generalPractitioner",), [{"reference": 7, "display": word("doctor")}]


def _break(resource: Any, path: tuple[str | int, ...], value: Any) -> None:
    *above, last = path
    for step in above:
        resource = resource[step]
    resource[last] = value


def _patient(flock: Flock) -> JsonObject:
    word = flock.text
    return {
        "resourceType": "Patient",
        "id": f"p-{word('Patient.id')}",
        "active": True,
        "gender": "female",
        "birthDate": flock.date("Patient.birthDate"),
        "deceasedDateTime": f"{flock.date('Patient.deceased')}T10:00:00Z",
        "identifier": [{"system": "urn:clinic:mrn", "value": word("Patient.identifier")}],
        "name": [
            {
                "use": "official",
                "family": word("Patient.family"),
                "given": [word("Patient.given"), word("Patient.given")],
                "prefix": [word("Patient.prefix")],
                "suffix": [word("Patient.suffix")],
                "text": word("Patient.text"),
            }
        ],
        "telecom": [
            {"system": "phone", "value": f"+1 555 {flock.number('Patient.phone', 11)}"},
            {"system": "email", "value": f"{word('Patient.email')}@example.org"},
        ],
        "address": [
            {
                "line": [f"7 {word('Patient.address')} Street"],
                "city": word("Patient.city"),
                "state": word("Patient.state"),
                "postalCode": word("Patient.postalCode"),
                "country": word("Patient.country"),
            }
        ],
        "maritalStatus": {"text": word("Patient.maritalStatus")},
        "communication": [{"language": {"text": word("Patient.language")}, "preferred": True}],
    }


def _entries(flock: Flock, patient: JsonObject) -> Iterator[JsonObject]:
    word, mine = flock.text, {"reference": f"Patient/{patient['id']}"}

    def code(place: str) -> JsonObject:
        coding = {"system": f"urn:{word(place)}", "code": word(place), "display": word(place)}
        return {"coding": [coding], "text": word(place)}

    def resource(kind: str, **body: Any) -> JsonObject:
        note = [{"text": word(f"{kind}.note")}]
        return {"resource": {"resourceType": kind, "id": word(f"{kind}.id"), "note": note, **body}}

    yield {"resource": patient}
    yield resource(
        "Condition",
        subject=mine,
        clinicalStatus={"coding": [{"system": f"{_TERMS}/condition-clinical", "code": "active"}]},
        code=code("Condition.code"),
        onsetDateTime=flock.date("Condition.onset"),
    )
    yield resource(
        "Observation",
        subject=mine,
        status="final",
        code=code("Observation.code"),
        valueQuantity={
            "value": flock.number("Observation.value"),
            "unit": word("Observation.unit"),
        },
    )
    yield resource(
        "Observation",
        subject=mine,
        status="final",
        code=code("Observation.code"),
        valueString=word("Observation.value"),
    )
    yield resource(
        "AllergyIntolerance",
        patient=mine,
        clinicalStatus={
            "coding": [{"system": f"{_TERMS}/allergyintolerance-clinical", "code": "active"}]
        },
        code=code("AllergyIntolerance.code"),
    )
    yield resource(
        "MedicationRequest",
        subject=mine,
        status="active",
        intent="order",
        medicationCodeableConcept=code("MedicationRequest.medication"),
        dosageInstruction=[{"text": word("MedicationRequest.dosage")}],
    )
    yield resource(
        "Procedure",
        subject=mine,
        status="completed",
        code=code("Procedure.code"),
        performedDateTime=flock.date("Procedure.performed"),
    )
    yield resource(
        "Immunization",
        patient=mine,
        status="completed",
        vaccineCode=code("Immunization.code"),
        occurrenceDateTime=flock.date("Immunization.occurrence"),
    )
    coverage = resource(
        "Coverage",
        beneficiary=mine,
        status="active",
        subscriberId=word("Coverage.subscriberId"),
        payor=[{"display": word("Coverage.payor")}],
        type=code("Coverage.type"),
    )
    # R4 gives a Coverage no note.
    del coverage["resource"]["note"]
    yield coverage
