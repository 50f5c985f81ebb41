"""The small pieces of FHIR R4 JSON that synthetic resources are written with."""

from datetime import datetime
from typing import Any

from demo.patients_data import LOINC, Term

Json = dict[str, Any]

TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
TEST_DATA = {
    "system": f"{TERMINOLOGY}v3-ActReason",
    "code": "HTEST",
    "display": "test health data",
}


def concept(system: str, term: Term) -> Json:
    code, display = term
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def organization(code: str) -> Json:
    words = {"prov": "Healthcare Provider", "pay": "Payer"}
    return concept(f"{TERMINOLOGY}organization-type", (code, words[code]))


def identifier(code: str, words: str, system: str, value: str) -> Json:
    kind = concept(f"{TERMINOLOGY}v2-0203", (code, words))
    return {"type": kind, "system": system, "value": value}


def component(term: Term, quantity: Json) -> Json:
    return {"code": concept(LOINC, term), "valueQuantity": quantity}


def written(moment: datetime) -> str:
    return moment.isoformat()
