"""The facts that records keeps in columns of its own; all else stays in the original resource.

A reference (`encounter`, `payers`, …) is `Type/id` where the input allowed it to be resolved, and
as written otherwise: `Practitioner?identifier=…`, `urn:uuid:…` of something outside the input, or
an absolute URL. Whose fact it is stands in `ParsedResource.patient`. Statuses are R4's own codes.
None of these classes has a repr of its own: what they hold must not reach a log by an f-string.
"""

from dataclasses import dataclass

from services.records.fhir.moments import Moment
from services.records.fhir.values import Code, Concept, Period, Quantity, Value


@dataclass(frozen=True, slots=True, repr=False)
class Name:
    use: str
    family: str
    given: tuple[str, ...]
    prefix: tuple[str, ...]
    suffix: tuple[str, ...]
    text: str
    period: Period | None


@dataclass(frozen=True, slots=True, repr=False)
class Identifier:
    """`type` is the code of http://terminology.hl7.org/CodeSystem/v2-0203 (MR, SS, DL, …) or ""."""

    system: str
    value: str
    type: str
    use: str


@dataclass(frozen=True, slots=True, repr=False)
class Telecom:
    system: str
    value: str
    use: str


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    use: str
    lines: tuple[str, ...]
    city: str
    district: str
    state: str
    postal_code: str
    country: str
    text: str


@dataclass(frozen=True, slots=True, repr=False)
class PatientFact:
    """`gender` is administrative; `birth_sex` is the US Core extension (F, M, UNK, OTH) or "".
    `deceased` is None where the resource says nothing."""

    active: bool
    names: tuple[Name, ...]
    birth_date: Moment | None
    gender: str
    birth_sex: str
    identifiers: tuple[Identifier, ...]
    telecoms: tuple[Telecom, ...]
    addresses: tuple[Address, ...]
    deceased: bool | None
    deceased_at: Moment | None
    languages: tuple[Concept, ...]
    marital_status: Concept | None


@dataclass(frozen=True, slots=True, repr=False)
class EncounterFact:
    """`kind` is the class: AMB, EMER, IMP, … in http://terminology.hl7.org/CodeSystem/v3-ActCode.
    `provider_name` is what the reference to the provider calls it, "" if it does not."""

    status: str
    kind: Code | None
    types: tuple[Concept, ...]
    reasons: tuple[Concept, ...]
    period: Period | None
    participants: tuple[str, ...]
    provider: str
    provider_name: str


@dataclass(frozen=True, slots=True, repr=False)
class ConditionFact:
    clinical_status: str
    verification_status: str
    categories: tuple[Concept, ...]
    code: Concept | None
    severity: Concept | None
    onset: Moment | None
    onset_age: Quantity | None
    abatement: Moment | None
    recorded: Moment | None
    encounter: str


@dataclass(frozen=True, slots=True, repr=False)
class ReferenceRange:
    low: Quantity | None
    high: Quantity | None
    text: str


@dataclass(frozen=True, slots=True, repr=False)
class Component:
    code: Concept | None
    value: Value | None
    absent_reason: Concept | None


@dataclass(frozen=True, slots=True, repr=False)
class ObservationFact:
    """`loinc` is the code in http://loinc.org or "". `issued` is when it was made available."""

    status: str
    categories: tuple[Concept, ...]
    code: Concept | None
    loinc: str
    effective: Period | None
    issued: Moment | None
    value: Value | None
    absent_reason: Concept | None
    interpretations: tuple[Concept, ...]
    ranges: tuple[ReferenceRange, ...]
    components: tuple[Component, ...]
    encounter: str


@dataclass(frozen=True, slots=True, repr=False)
class Reaction:
    substance: Concept | None
    manifestations: tuple[Concept, ...]
    severity: str


@dataclass(frozen=True, slots=True, repr=False)
class AllergyFact:
    clinical_status: str
    verification_status: str
    type: str
    categories: tuple[str, ...]
    criticality: str
    code: Concept | None
    onset: Moment | None
    recorded: Moment | None
    reactions: tuple[Reaction, ...]
    encounter: str


@dataclass(frozen=True, slots=True, repr=False)
class MedicationFact:
    """A MedicationRequest or a MedicationStatement, which has no `intent`.

    `code` is followed into a contained or bundled Medication; where that is elsewhere it is None
    and `medication` holds the reference, `medication_name` what the reference calls it. `period`
    begins when it was written or taken from.
    """

    status: str
    intent: str
    code: Concept | None
    medication: str
    medication_name: str
    period: Period | None
    dosages: tuple[str, ...]
    as_needed: bool
    reasons: tuple[Concept, ...]
    encounter: str


@dataclass(frozen=True, slots=True, repr=False)
class ImmunizationFact:
    """`occurred_text` where the day is only told in words."""

    status: str
    code: Concept | None
    occurred: Moment | None
    occurred_text: str
    lot_number: str
    encounter: str


@dataclass(frozen=True, slots=True, repr=False)
class ProcedureFact:
    status: str
    code: Concept | None
    performed: Period | None
    reasons: tuple[Concept, ...]
    encounter: str


@dataclass(frozen=True, slots=True, repr=False)
class ReportFact:
    status: str
    categories: tuple[Concept, ...]
    code: Concept | None
    effective: Period | None
    issued: Moment | None
    conclusion: str
    results: tuple[str, ...]
    encounter: str


@dataclass(frozen=True, slots=True, repr=False)
class Attachment:
    """`url` is empty where the content is inside the original; `inline` says so."""

    content_type: str
    url: str
    title: str
    inline: bool


@dataclass(frozen=True, slots=True, repr=False)
class DocumentFact:
    status: str
    type: Concept | None
    categories: tuple[Concept, ...]
    date: Moment | None
    description: str
    attachments: tuple[Attachment, ...]
    encounters: tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Payer:
    """At least one of the two is given."""

    reference: str
    name: str


@dataclass(frozen=True, slots=True, repr=False)
class PlanClass:
    """`type` is in http://terminology.hl7.org/CodeSystem/coverage-class: plan, group, rxbin, …"""

    type: str
    value: str
    name: str


@dataclass(frozen=True, slots=True, repr=False)
class CoverageFact:
    """`contained_id` is the id inside an ExplanationOfBenefit or Claim, "" for a Coverage itself.
    `relationship` is that of the patient to the subscriber: self, spouse, child, … `claimed` is when
    the claim or explanation was made that this one is inside of."""

    contained_id: str
    status: str
    type: Concept | None
    payers: tuple[Payer, ...]
    member_id: str
    classes: tuple[PlanClass, ...]
    period: Period | None
    relationship: str
    order: int | None
    claimed: Moment | None


Fact = (
    PatientFact
    | EncounterFact
    | ConditionFact
    | ObservationFact
    | AllergyFact
    | MedicationFact
    | ImmunizationFact
    | ProcedureFact
    | ReportFact
    | DocumentFact
    | CoverageFact
)
