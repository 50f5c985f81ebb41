"""From checked FHIR JSON to typed facts: one function for each resource type that has columns."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from services.records.fhir.checks import is_sound
from services.records.fhir.facts import (
    AllergyFact,
    Attachment,
    Component,
    ConditionFact,
    CoverageFact,
    DocumentFact,
    EncounterFact,
    Fact,
    ImmunizationFact,
    MedicationFact,
    ObservationFact,
    Payer,
    PlanClass,
    ProcedureFact,
    Reaction,
    ReferenceRange,
    ReportFact,
)
from services.records.fhir.moments import Moment
from services.records.fhir.patient import read_patient
from services.records.fhir.references import Resolver
from services.records.fhir.values import (
    Concept,
    JsonMap,
    Period,
    each,
    read_code,
    read_concept,
    read_concepts,
    read_moment,
    read_period,
    read_quantity,
    read_value,
)

LOINC = "http://loinc.org"


class Surroundings:
    """What a resource can be understood by: its bundle's references and its bundle's resources."""

    def __init__(self, resolver: Resolver, neighbours: Mapping[str, JsonMap] | None = None) -> None:
        self.resolver = resolver
        self._neighbours = neighbours or {}

    def find(self, owner: JsonMap, reference: JsonMap | None) -> JsonMap | None:
        """The resource a reference leads to, contained in `owner` or beside it in the bundle; None
        if it is elsewhere or broken."""
        literal = (reference or {}).get("reference", "")
        if literal.startswith("#"):
            return next((c for c in owner.get("contained", ()) if c.get("id") == literal[1:]), None)
        neighbour = self._neighbours.get(self.resolver.resolve(literal))
        return neighbour if neighbour and is_sound(neighbour) else None


def extract_facts(resource: JsonMap, around: Surroundings) -> tuple[Fact, ...]:
    """The facts in a resource that `check_resource` has let through; () where the type has none."""
    if resource["resourceType"] == "Patient":
        return (read_patient(resource),)
    reader = _READERS.get(resource["resourceType"])
    if reader is not None:
        return (reader(resource, around),)
    contained = (c for c in resource.get("contained", ()) if isinstance(c, dict))
    if resource["resourceType"] in ("ExplanationOfBenefit", "Claim"):
        return tuple(
            _coverage(c, around, c.get("id", ""), read_moment(resource.get("created")))
            for c in contained
            if c.get("resourceType") == "Coverage"
        )
    return ()


def _encounter(json: JsonMap, around: Surroundings) -> EncounterFact:
    participants = (p.get("individual") for p in json.get("participant", ()))
    return EncounterFact(
        status=json.get("status", ""),
        kind=read_code(json.get("class")),
        types=read_concepts(json.get("type")),
        reasons=read_concepts(json.get("reasonCode")),
        period=read_period(json.get("period")),
        participants=tuple(filter(None, map(around.resolver.of, participants))),
        provider=around.resolver.of(json.get("serviceProvider")),
        provider_name=json.get("serviceProvider", {}).get("display", ""),
    )


def _condition(json: JsonMap, around: Surroundings) -> ConditionFact:
    onset = read_period(json.get("onsetPeriod"))
    abatement = read_period(json.get("abatementPeriod"))
    return ConditionFact(
        clinical_status=_status(json, "clinicalStatus"),
        verification_status=_status(json, "verificationStatus"),
        categories=read_concepts(json.get("category")),
        code=read_concept(json.get("code")),
        severity=read_concept(json.get("severity")),
        onset=read_moment(json.get("onsetDateTime")) or (onset.start if onset else None),
        onset_age=read_quantity(json.get("onsetAge")),
        abatement=read_moment(json.get("abatementDateTime"))
        or (abatement.end if abatement else None),
        recorded=read_moment(json.get("recordedDate")),
        encounter=around.resolver.of(json.get("encounter")),
    )


def _observation(json: JsonMap, around: Surroundings) -> ObservationFact:
    code = read_concept(json.get("code"))
    return ObservationFact(
        status=json.get("status", ""),
        categories=read_concepts(json.get("category")),
        code=code,
        loinc=code.code_in(LOINC) if code else "",
        effective=_when(json, "effective"),
        issued=read_moment(json.get("issued")),
        value=read_value(json),
        absent_reason=read_concept(json.get("dataAbsentReason")),
        interpretations=read_concepts(json.get("interpretation")),
        ranges=each(json.get("referenceRange"), _reference_range),
        components=each(json.get("component"), _component),
        encounter=around.resolver.of(json.get("encounter")),
    )


def _reference_range(json: JsonMap) -> ReferenceRange:
    return ReferenceRange(
        read_quantity(json.get("low")), read_quantity(json.get("high")), json.get("text", "")
    )


def _component(json: JsonMap) -> Component:
    absent = read_concept(json.get("dataAbsentReason"))
    return Component(read_concept(json.get("code")), read_value(json), absent)


def _allergy(json: JsonMap, around: Surroundings) -> AllergyFact:
    return AllergyFact(
        clinical_status=_status(json, "clinicalStatus"),
        verification_status=_status(json, "verificationStatus"),
        type=json.get("type", ""),
        categories=each(json.get("category"), str),
        criticality=json.get("criticality", ""),
        code=read_concept(json.get("code")),
        onset=read_moment(json.get("onsetDateTime")),
        recorded=read_moment(json.get("recordedDate")),
        reactions=each(json.get("reaction"), _reaction),
        encounter=around.resolver.of(json.get("encounter")),
    )


def _reaction(json: JsonMap) -> Reaction:
    return Reaction(
        read_concept(json.get("substance")),
        read_concepts(json.get("manifestation")),
        json.get("severity", ""),
    )


def _medication(json: JsonMap, around: Surroundings) -> MedicationFact:
    reference = json.get("medicationReference")
    dosages = json.get("dosageInstruction") or json.get("dosage") or ()
    written = read_moment(json.get("authoredOn"))
    return MedicationFact(
        status=json.get("status", ""),
        intent=json.get("intent", ""),
        code=_medication_code(json, reference, around),
        medication=around.resolver.of(reference),
        medication_name=(reference or {}).get("display", ""),
        period=Period(written, None) if written else _when(json, "effective"),
        dosages=tuple(d["text"] for d in dosages if d.get("text")),
        as_needed=any(d.get("asNeededBoolean") or "asNeededCodeableConcept" in d for d in dosages),
        reasons=read_concepts(json.get("reasonCode")),
        encounter=around.resolver.of(json.get("encounter") or json.get("context")),
    )


def _medication_code(
    json: JsonMap, reference: JsonMap | None, around: Surroundings
) -> Concept | None:
    if reference is None:
        return read_concept(json.get("medicationCodeableConcept"))
    medication = around.find(json, reference)
    return read_concept(medication.get("code")) if medication else None


def _immunization(json: JsonMap, around: Surroundings) -> ImmunizationFact:
    return ImmunizationFact(
        status=json.get("status", ""),
        code=read_concept(json.get("vaccineCode")),
        occurred=read_moment(json.get("occurrenceDateTime")),
        occurred_text=json.get("occurrenceString", ""),
        lot_number=json.get("lotNumber", ""),
        encounter=around.resolver.of(json.get("encounter")),
    )


def _procedure(json: JsonMap, around: Surroundings) -> ProcedureFact:
    return ProcedureFact(
        status=json.get("status", ""),
        code=read_concept(json.get("code")),
        performed=_when(json, "performed"),
        reasons=read_concepts(json.get("reasonCode")),
        encounter=around.resolver.of(json.get("encounter")),
    )


def _report(json: JsonMap, around: Surroundings) -> ReportFact:
    return ReportFact(
        status=json.get("status", ""),
        categories=read_concepts(json.get("category")),
        code=read_concept(json.get("code")),
        effective=_when(json, "effective"),
        issued=read_moment(json.get("issued")),
        conclusion=json.get("conclusion", ""),
        results=tuple(filter(None, map(around.resolver.of, json.get("result", ())))),
        encounter=around.resolver.of(json.get("encounter")),
    )


def _document(json: JsonMap, around: Surroundings) -> DocumentFact:
    encounters = json.get("context", {}).get("encounter", ())
    return DocumentFact(
        status=json.get("status", ""),
        type=read_concept(json.get("type")),
        categories=read_concepts(json.get("category")),
        date=read_moment(json.get("date")),
        description=json.get("description", ""),
        attachments=each(json.get("content"), _attachment),
        encounters=tuple(filter(None, map(around.resolver.of, encounters))),
    )


def _attachment(json: JsonMap) -> Attachment:
    inner = json.get("attachment", {})
    return Attachment(
        inner.get("contentType", ""), inner.get("url", ""), inner.get("title", ""), "data" in inner
    )


def _coverage(
    json: JsonMap, around: Surroundings, inside: str = "", claimed: Moment | None = None
) -> CoverageFact:
    payers = (Payer(around.resolver.of(p), p.get("display", "")) for p in json.get("payor", ()))
    relationship = read_concept(json.get("relationship"))
    return CoverageFact(
        contained_id=inside,
        status=json.get("status", ""),
        type=read_concept(json.get("type")),
        payers=tuple(payers),
        member_id=json.get("subscriberId", "") or _member_number(json),
        classes=each(json.get("class"), _plan_class),
        period=read_period(json.get("period")),
        relationship=relationship.codings[0].code if relationship and relationship.codings else "",
        order=json.get("order"),
        claimed=claimed,
    )


def _member_number(json: JsonMap) -> str:
    """The identifier of type MB (member number), else the first."""
    identifiers = json.get("identifier", ())
    typed = [
        i
        for i in identifiers
        if any(c.get("code") == "MB" for c in i.get("type", {}).get("coding", ()))
    ]
    return next((str(i["value"]) for i in (*typed, *identifiers) if i.get("value")), "")


def _plan_class(json: JsonMap) -> PlanClass:
    codings = json.get("type", {}).get("coding", ())
    kind = next((str(c["code"]) for c in codings if c.get("code")), "")
    return PlanClass(kind, json.get("value", ""), json.get("name", ""))


def _status(json: JsonMap, name: str) -> str:
    codings = json.get(name, {}).get("coding", ())
    return next((str(c["code"]) for c in codings if c.get("code")), "")


def _when(json: JsonMap, name: str) -> Period | None:
    """`effective[x]`, `performed[x]`: a moment is a period that begins and ends with it."""
    at = read_moment(json.get(f"{name}DateTime") or json.get(f"{name}Instant"))
    return Period(at, at) if at else read_period(json.get(f"{name}Period"))


_READERS: Mapping[str, Callable[[JsonMap, Surroundings], Fact]] = MappingProxyType(
    {
        "Encounter": _encounter,
        "Condition": _condition,
        "Observation": _observation,
        "AllergyIntolerance": _allergy,
        "MedicationRequest": _medication,
        "MedicationStatement": _medication,
        "Immunization": _immunization,
        "Procedure": _procedure,
        "DiagnosticReport": _report,
        "DocumentReference": _document,
        "Coverage": _coverage,
    }
)
