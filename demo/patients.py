"""Synthetic patients as FHIR R4 transaction bundles, the same ones for the same seed."""

import base64
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

from demo import patients_data as data
from demo.fhir_json import (
    TERMINOLOGY,
    TEST_DATA,
    Json,
    component,
    concept,
    identifier,
    organization,
    written,
)
from demo.patients_data import CVX, LOINC, RXNORM, SNOMED, UCUM, Illness, Term

AS_OF = date(2026, 6, 30)  # fixed, so that ages do not move between runs
_SHARED = uuid.UUID("5f0c1d9e-7a54-4b0e-9d53-3b8f6f3f2a10")  # namespace of clinics and payers


def synthesize(count: int, seed: int) -> Iterator[Json]:
    """Yields `count` transaction bundles, one patient each, of 20-60 resources.

    Patient n is the same whatever `count` is. Names and addresses are made up, numbers come from
    ranges that are never issued (SSN 999-…, telephone 555-01…), and every resource carries the
    HTEST tag. Clinics, clinicians and payers are shared between bundles and have fixed ids.
    """
    for index in range(count):
        yield _PatientStory(random.Random(f"{seed}:{index}"), index).bundle()


class _PatientStory:
    """Writes one patient's bundle, entry by entry. All chance comes from `draw`."""

    def __init__(self, draw: random.Random, index: int) -> None:
        self._draw = draw
        self._index = index
        self._entries: list[Json] = []
        low, high = data.AGES[index % len(data.AGES)]
        days = draw.randint(low * 365 + 20, high * 365 + 300)
        self._born = AS_OF - timedelta(days=days)
        self._age = days / 365.25
        self._sex = draw.choice(("female", "male"))

    def bundle(self) -> Json:
        self._add_surroundings()
        self._add_patient()
        self._add_coverage()
        visits = self._add_visits()
        self._add_illnesses(visits)
        self._add_allergies(visits)
        self._add_vaccines()
        self._add_laboratory(visits[-1])
        self._add_document(visits[-1])
        return {"resourceType": "Bundle", "type": "transaction", "entry": self._entries}

    # Who and where

    def _add_surroundings(self) -> None:
        clinic = data.CLINICS[self._index % len(data.CLINICS)]
        given, family = data.CLINICIANS[self._index % len(data.CLINICIANS)]
        payer = data.PAYERS[2 if self._age >= 65 else self._index % 2]
        self._clinic = self._add_shared(
            "Organization", clinic, {"active": True, "type": [organization("prov")]}
        )
        self._payer_name = payer
        self._payer = self._add_shared(
            "Organization", payer, {"active": True, "type": [organization("pay")]}
        )
        name = {"family": family, "given": [given], "prefix": ["Dr."]}
        self._clinician = self._add_shared("Practitioner", family, {"name": [name]})

    def _add_shared(self, kind: str, name: str, body: Json) -> Json:
        named = {"name": name} | body
        return self._add(kind, named, str(uuid.uuid5(_SHARED, f"{kind}/{name}")))

    def _add_patient(self) -> None:
        draw = self._draw
        given = draw.choice(data.GIVEN_FEMALE if self._sex == "female" else data.GIVEN_MALE)
        family = f"{draw.choice(data.FAMILIES)}{self._index:03d}"
        city, state, postal_code = draw.choice(data.CITIES)
        phone = f"555-01{draw.randint(0, 99):02d}"
        language = draw.choices(data.LANGUAGES, (8, 1, 1))[0]
        record = f"SYN{draw.randint(0, 9_999_999):07d}"
        ssn = f"999-{draw.randint(10, 99)}-{draw.randint(1000, 9999)}"
        body: Json = {
            "identifier": [
                identifier("MR", "Medical record number", "urn:oid:2.999.1", record),
                identifier("SS", "Social Security number", data.US_SSN, ssn),
            ],
            "active": True,
            "name": [{"use": "official", "family": family, "given": [given]}],
            "telecom": [
                {"system": "phone", "value": phone, "use": "home"},
                {"system": "email", "value": f"patient{self._index}@example.org", "use": "home"},
            ],
            "gender": self._sex,
            "birthDate": self._born.isoformat(),
            "address": [
                {
                    "use": "home",
                    "line": [f"{draw.randint(1, 199)} {draw.choice(data.STREETS)}"],
                    "city": city,
                    "state": state,
                    "postalCode": postal_code,
                    "country": "US",
                }
            ],
            "maritalStatus": concept(f"{TERMINOLOGY}v3-MaritalStatus", self._marital_status()),
            "communication": [{"language": concept("urn:ietf:bcp:47", language)}],
        }
        self._patient = self._add("Patient", body)

    def _marital_status(self) -> Term:
        if self._age < 20:
            return "S", "Never Married"
        return self._draw.choice((("S", "Never Married"), ("M", "Married"), ("W", "Widowed")))

    def _add_coverage(self) -> None:
        related = ("child", "Child") if self._age < 18 else ("self", "Self")
        plan = {
            "type": concept(f"{TERMINOLOGY}coverage-class", ("plan", "Plan")),
            "value": f"PLAN-{self._draw.randint(1, 4)}",
            "name": f"{self._payer_name} Standard",
        }
        body = {
            "status": "active",
            "type": concept(f"{TERMINOLOGY}v3-ActCode", ("EHCPOL", "extended healthcare")),
            "subscriberId": f"MEM{self._draw.randint(0, 99_999_999):08d}",
            "beneficiary": self._patient,
            "relationship": concept(f"{TERMINOLOGY}subscriber-relationship", related),
            "period": {"start": max(self._born, date(2025, 1, 1)).isoformat()},
            "payor": [self._payer | {"display": self._payer_name}],
            "class": [plan],
            "order": 1,
        }
        self._add("Coverage", body)

    # What happened

    def _add_visits(self) -> list[tuple[Json, datetime]]:
        count = self._draw.randint(2, 4)
        lived = (AS_OF - self._born).days
        last = min(lived - 5, 5 * 365)
        days = sorted(self._draw.sample(range(1, last), count), reverse=True)
        return [self._add_visit(AS_OF - timedelta(days=day)) for day in days]

    def _add_visit(self, day: date) -> tuple[Json, datetime]:
        start = datetime.combine(day, time(8 + self._draw.randint(0, 8), 15), UTC)
        age = (day - self._born).days / 365.25
        reason = ("410620009", "Well child visit") if age < 18 else data.CHECK_UP
        body = {
            "status": "finished",
            "class": {
                "system": f"{TERMINOLOGY}v3-ActCode",
                "code": "AMB",
                "display": "ambulatory",
            },
            "type": [concept(SNOMED, reason)],
            "subject": self._patient,
            "participant": [{"individual": self._clinician}],
            "period": {"start": written(start), "end": written(start + timedelta(minutes=30))},
            "serviceProvider": self._clinic,
        }
        visit = self._add("Encounter", body)
        self._add_vital_signs(visit, start, age)
        performed = {"start": written(start), "end": written(start + timedelta(minutes=10))}
        examination = {
            "status": "completed",
            "code": concept(SNOMED, ("5880005", "Physical examination procedure")),
            "performedPeriod": performed,
        }
        self._add("Procedure", examination | self._during(visit))
        return visit, start

    def _add_vital_signs(self, visit: Json, at: datetime, age: float) -> None:
        grown = min(age, 17.0) / 17.0
        centimetres = 52 + grown * (114 if self._sex == "female" else 126)
        kilograms = 3.8 + grown**1.5 * 68
        systolic, diastolic = 75 + 45 * min(1.0, age / 20) + age / 5, 48 + 28 * min(1.0, age / 20)
        beats = 130 - 58 * min(1.0, age / 15)
        measures = (
            (("8302-2", "Body height"), centimetres, 3, "cm", "cm"),
            (("29463-7", "Body weight"), kilograms, 0.07 * kilograms, "kg", "kg"),
            (("8867-4", "Heart rate"), beats, 6, "/min", "beats/minute"),
            (("8310-5", "Body temperature"), 36.8, 0.2, "Cel", "Cel"),
        )
        for term, mean, spread, unit, words in measures:
            value = {"valueQuantity": self._measured(mean, spread, unit, words)}
            self._add_observation(visit, at, term, "vital-signs", value)
        pressure = [
            component(("8480-6", "Systolic blood pressure"), self._pressure(systolic)),
            component(("8462-4", "Diastolic blood pressure"), self._pressure(diastolic)),
        ]
        panel = ("85354-9", "Blood pressure panel with all children optional")
        self._add_observation(visit, at, panel, "vital-signs", {"component": pressure})

    def _pressure(self, mean: float) -> Json:
        return self._measured(mean, 6, "mm[Hg]", "mmHg")

    def _add_illnesses(self, visits: list[tuple[Json, datetime]]) -> None:
        for illness in data.ILLNESSES:
            if self._falls_ill(illness):
                visit, at = visits[-1] if illness.lasts_days else self._draw.choice(visits)
                condition = self._add_condition(illness, visit, at)
                self._add_medicine(illness, condition, visit, at)
                self._add_finding(illness, visit, at)

    def _falls_ill(self, illness: Illness) -> bool:
        luck = self._draw.random()  # drawn for everyone, so that one rule does not shift the rest
        low, high = illness.ages
        fits = low <= self._age <= high and illness.sex in ("", self._sex)
        return fits and luck < illness.chance

    def _add_condition(self, illness: Illness, visit: Json, at: datetime) -> Json:
        end = at.date() + timedelta(days=illness.lasts_days)
        over = illness.lasts_days > 0 and end <= AS_OF
        status = ("resolved", "Resolved") if over else ("active", "Active")
        body: Json = {
            "clinicalStatus": concept(f"{TERMINOLOGY}condition-clinical", status),
            "verificationStatus": concept(
                f"{TERMINOLOGY}condition-ver-status", ("confirmed", "Confirmed")
            ),
            "code": concept(SNOMED, illness.term),
            "onsetDateTime": at.date().isoformat(),
            "recordedDate": written(at),
        }
        if over:
            body["abatementDateTime"] = end.isoformat()
        return self._add("Condition", body | self._during(visit))

    def _add_medicine(self, illness: Illness, reason: Json, visit: Json, at: datetime) -> None:
        if not illness.medicines:
            return
        term, dosage = self._draw.choice(illness.medicines)
        body = {
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": concept(RXNORM, term),
            "authoredOn": written(at),
            "requester": self._clinician,
            "reasonReference": [reason],
            "dosageInstruction": [{"text": dosage}],
        }
        self._add("MedicationRequest", body | self._during(visit))

    def _add_finding(self, illness: Illness, visit: Json, at: datetime) -> None:
        """What is measured because of the illness: HbA1c, an ECG, a pregnancy status, …"""
        name = illness.term[1]
        if name.startswith("Diabetes"):
            term = ("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood")
            value = {"valueQuantity": self._measured(7.6, 0.8, "%", "%")}
            self._add_observation(visit, at, term, "laboratory", value)
        elif name == "Normal pregnancy":
            pregnant = concept(SNOMED, ("77386006", "Pregnant"))
            term = ("82810-3", "Pregnancy status")
            self._add_observation(
                visit, at, term, "social-history", {"valueCodeableConcept": pregnant}
            )
        elif procedure := data.PROCEDURES.get(name):
            done = {
                "status": "completed",
                "code": concept(SNOMED, procedure),
                "performedDateTime": written(at),
            }
            self._add("Procedure", done | self._during(visit))

    def _add_allergies(self, visits: list[tuple[Json, datetime]]) -> None:
        _, at = visits[0]
        wanted = self._draw.choices((0, 1, 2), (6, 3, 1))[0]
        for system, term, category, criticality, reaction in self._draw.sample(
            data.ALLERGIES, wanted
        ):
            body = {
                "clinicalStatus": concept(
                    f"{TERMINOLOGY}allergyintolerance-clinical", ("active", "Active")
                ),
                "verificationStatus": concept(
                    f"{TERMINOLOGY}allergyintolerance-verification", ("confirmed", "Confirmed")
                ),
                "type": "allergy",
                "category": [category],
                "criticality": criticality,
                "code": concept(system, term),
                "patient": self._patient,
                "recordedDate": written(at),
                "reaction": [{"manifestation": [concept(SNOMED, reaction)]}],
            }
            self._add("AllergyIntolerance", body)

    def _add_vaccines(self) -> None:
        for code, display, days in data.CHILD_VACCINES:
            for day in days if self._age < 18 else ():
                self._add_vaccine((code, display), self._born + timedelta(days=day))
        for code, display, age in data.ADULT_VACCINES:
            if self._age >= age:
                given = AS_OF - timedelta(days=self._draw.randint(30, 900))
                self._add_vaccine((code, display), given)

    def _add_vaccine(self, term: Term, day: date) -> None:
        if day > AS_OF:
            return
        body = {
            "status": "completed",
            "vaccineCode": concept(CVX, term),
            "patient": self._patient,
            "occurrenceDateTime": day.isoformat(),
            "primarySource": True,
        }
        self._add("Immunization", body)

    def _add_laboratory(self, visit: tuple[Json, datetime]) -> None:
        encounter, at = visit
        adult = self._age >= 18
        panel = data.LIPID_PANEL if adult else data.BLOOD_COUNT
        title = (
            ("57698-3", "Lipid panel with direct LDL - Serum or Plasma")
            if adult
            else ("58410-2", "CBC panel - Blood by Automated count")
        )
        results = [
            self._add_observation(
                encounter,
                at,
                (code, display),
                "laboratory",
                {"valueQuantity": self._measured(mean, spread, unit, words)},
            )
            for code, display, mean, spread, unit, words in panel
        ]
        category = concept(f"{TERMINOLOGY}v2-0074", ("LAB", "Laboratory"))
        report = {
            "status": "final",
            "category": [category],
            "code": concept(LOINC, title),
            "effectiveDateTime": written(at),
            "issued": written(at + timedelta(hours=4)),
            "result": results,
        }
        self._add("DiagnosticReport", report | self._during(encounter))
        if adult:
            smoking = concept(SNOMED, self._draw.choices(data.SMOKING, (6, 3, 1))[0])
            term = ("72166-2", "Tobacco smoking status")
            self._add_observation(
                encounter, at, term, "social-history", {"valueCodeableConcept": smoking}
            )

    def _add_document(self, visit: tuple[Json, datetime]) -> None:
        encounter, at = visit
        note = base64.b64encode(b"Synthetic progress note. Seen, examined, plan agreed.").decode()
        body = {
            "status": "current",
            "type": concept(LOINC, ("11506-3", "Progress note")),
            "subject": self._patient,
            "date": written(at),
            "author": [self._clinician],
            "content": [{"attachment": {"contentType": "text/plain", "data": note}}],
            "context": {"encounter": [encounter]},
        }
        self._add("DocumentReference", body)

    # How it is written

    def _add_observation(
        self, visit: Json, at: datetime, term: Term, category: str, value: Json
    ) -> Json:
        kind = concept(f"{TERMINOLOGY}observation-category", (category, category.replace("-", " ")))
        body = {
            "status": "final",
            "category": [kind],
            "code": concept(LOINC, term),
            "effectiveDateTime": written(at),
            "issued": written(at + timedelta(minutes=20)),
        }
        return self._add("Observation", body | self._during(visit) | value)

    def _during(self, visit: Json) -> Json:
        return {"subject": self._patient, "encounter": visit}

    def _measured(self, mean: float, spread: float, unit: str, words: str) -> Json:
        exact = self._draw.gauss(mean, spread)
        value = float(Decimal(repr(exact)).quantize(Decimal("0.1"), ROUND_HALF_UP))
        return {"value": value, "unit": words, "system": UCUM, "code": unit}

    def _add(self, kind: str, body: Json, fixed_id: str = "") -> Json:
        """Adds an entry and gives a Reference to it."""
        identity = fixed_id or str(uuid.UUID(int=self._draw.getrandbits(128), version=4))
        full_url = f"urn:uuid:{identity}"
        resource = {"resourceType": kind, "id": identity, "meta": {"tag": [TEST_DATA]}} | body
        request = {"method": "PUT", "url": f"{kind}/{identity}"}
        self._entries.append({"fullUrl": full_url, "resource": resource, "request": request})
        return {"reference": full_url}
