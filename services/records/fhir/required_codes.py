"""Codes that R4 binds as "required", for the resources a chart is made of.
Source: the value sets of each resource page of https://hl7.org/fhir/R4/."""

from collections.abc import Mapping
from types import MappingProxyType

_GENDER = "male female other unknown"
_FINANCIAL = "active cancelled draft entered-in-error"
_ENCOUNTER = (
    "planned arrived triaged in-progress onleave finished cancelled entered-in-error unknown"
)
_REQUEST = "draft active on-hold revoked completed entered-in-error unknown"
_UNIT_OF_TIME = "s min h d wk mo a"

_CODES = {
    "Patient.gender": _GENDER,
    "PatientContact.gender": _GENDER,
    "PatientLink.type": "replaced-by replaces refer seealso",
    "Practitioner.gender": _GENDER,
    "RelatedPerson.gender": _GENDER,
    "Person.gender": _GENDER,
    "HumanName.use": "usual official temp nickname anonymous old maiden",
    "ContactPoint.system": "phone fax email pager url sms other",
    "ContactPoint.use": "home work temp old mobile",
    "Address.use": "home work temp old billing",
    "Address.type": "postal physical both",
    "Identifier.use": "usual official temp secondary old",
    "Narrative.status": "generated extensions additional empty",
    "Quantity.comparator": "< <= >= >",
    "TimingRepeat.durationUnit": _UNIT_OF_TIME,
    "TimingRepeat.periodUnit": _UNIT_OF_TIME,
    "TimingRepeat.dayOfWeek": "mon tue wed thu fri sat sun",
    "Encounter.status": _ENCOUNTER,
    "EncounterStatusHistory.status": _ENCOUNTER,
    "EncounterLocation.status": "planned active reserved completed",
    "Observation.status": (
        "registered preliminary final amended corrected cancelled entered-in-error unknown"
    ),
    "DiagnosticReport.status": (
        "registered partial preliminary final amended corrected appended cancelled"
        " entered-in-error unknown"
    ),
    "AllergyIntolerance.type": "allergy intolerance",
    "AllergyIntolerance.category": "food medication environment biologic",
    "AllergyIntolerance.criticality": "low high unable-to-assess",
    "AllergyIntoleranceReaction.severity": "mild moderate severe",
    "Medication.status": "active inactive entered-in-error",
    "MedicationRequest.status": (
        "active on-hold cancelled completed entered-in-error stopped draft unknown"
    ),
    "MedicationRequest.intent": (
        "proposal plan order original-order reflex-order filler-order instance-order option"
    ),
    "MedicationRequest.priority": "routine urgent asap stat",
    "MedicationStatement.status": (
        "active completed entered-in-error intended stopped on-hold unknown not-taken"
    ),
    "MedicationDispense.status": (
        "preparation in-progress cancelled on-hold completed entered-in-error stopped declined"
        " unknown"
    ),
    "MedicationAdministration.status": (
        "in-progress not-done on-hold completed entered-in-error stopped unknown"
    ),
    "Immunization.status": "completed entered-in-error not-done",
    "Procedure.status": (
        "preparation in-progress not-done on-hold stopped completed entered-in-error unknown"
    ),
    "DocumentReference.status": "current superseded entered-in-error",
    "DocumentReference.docStatus": "preliminary final amended entered-in-error",
    "DocumentReferenceRelatesTo.code": "replaces transforms signs appends",
    "Coverage.status": _FINANCIAL,
    "Claim.status": _FINANCIAL,
    "Claim.use": "claim preauthorization predetermination",
    "ExplanationOfBenefit.status": _FINANCIAL,
    "ExplanationOfBenefit.use": "claim preauthorization predetermination",
    "ExplanationOfBenefit.outcome": "queued complete error partial",
    "CarePlan.status": _REQUEST,
    "CarePlan.intent": "proposal plan order option",
    "CarePlanActivityDetail.status": (
        "not-started scheduled in-progress on-hold completed cancelled stopped unknown"
        " entered-in-error"
    ),
    "CareTeam.status": "proposed active suspended inactive entered-in-error",
    "Goal.lifecycleStatus": (
        "proposed planned accepted active on-hold completed cancelled entered-in-error rejected"
    ),
    "ImagingStudy.status": "registered available cancelled entered-in-error unknown",
    "Device.status": "active inactive entered-in-error unknown",
    "ServiceRequest.status": _REQUEST,
    "ServiceRequest.intent": (
        "proposal plan directive order original-order reflex-order filler-order instance-order"
        " option"
    ),
    "Location.status": "active suspended inactive",
    "Location.mode": "instance kind",
    "Bundle.type": (
        "document message transaction transaction-response batch batch-response history searchset"
        " collection"
    ),
}

REQUIRED_CODES: Mapping[str, frozenset[str]] = MappingProxyType(
    {element: frozenset(codes.split()) for element, codes in _CODES.items()}
)

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_SYSTEMS = {
    "condition-clinical": "active recurrence relapse inactive remission resolved",
    "condition-ver-status": (
        "unconfirmed provisional differential confirmed refuted entered-in-error"
    ),
    "allergyintolerance-clinical": "active inactive resolved",
    "allergyintolerance-verification": "unconfirmed confirmed refuted entered-in-error",
}

STATUS_SYSTEMS: Mapping[str, frozenset[str]] = MappingProxyType(
    {f"{_TERMINOLOGY}{name}": frozenset(codes.split()) for name, codes in _SYSTEMS.items()}
)
"""The code systems bound as required to a CodeableConcept, with all their codes."""
