"""A resource's part of the chart: the messages that its facts amount to."""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from plexus.records.v1.allergy_pb2 import Allergy
from plexus.records.v1.chart_pb2 import Chart
from plexus.records.v1.condition_pb2 import Condition
from plexus.records.v1.coverage_pb2 import Coverage
from plexus.records.v1.diagnostic_report_pb2 import DiagnosticReport
from plexus.records.v1.document_pb2 import Document
from plexus.records.v1.encounter_pb2 import Encounter
from plexus.records.v1.immunization_pb2 import Immunization
from plexus.records.v1.medication_pb2 import Medication
from plexus.records.v1.observation_pb2 import Observation, ObservationComponent
from plexus.records.v1.procedure_pb2 import Procedure
from plexus.type.v1.code_pb2 import Code
from services.records.domain.identity import key_of, referred_id, resource_id
from services.records.fhir import ParsedResource, facts
from services.records.fhir.moments import Moment
from services.records.messages import values
from services.records.messages.coverage import coverage_message, payer_reference
from services.records.messages.values import CVX, LOINC, RXNORM, SNOMED, code, codes, instant

COVERAGES: Final = Chart.DESCRIPTOR.fields_by_name["coverages"].number


class Told(NamedTuple):
    """What a resource adds to its patient's chart.

    `kind` is the number of the chart's field; 0 when it adds nothing. `part` is a Chart with that
    field alone. `time` is what the kind is ordered by. `names_by` is the key of the resource that a
    name is still to come from: an encounter's provider, a medicine, a payer; "" for none.
    """

    kind: int
    part: Chart
    time: datetime | None
    names_by: str


class _Place(NamedTuple):
    """Where a fact comes from."""

    id: str
    source: str
    patient: str

    def encounter(self, target: str) -> str:
        return referred_id(self.source, "Encounter", target)


def tell(resource: ParsedResource, source: str) -> Told:
    """The chart's part of a resource; Patient has none, it is no part but the head."""
    place = _Place(
        resource_id(source, resource.type, resource.id), source, key_of(source, resource.patient)
    )
    part = Chart()
    kind = 0
    times: list[datetime] = []
    unnamed = ""
    for fact in resource.facts:
        writer = _WRITERS.get(type(fact))
        if writer is None:
            continue
        field, message, moments, reference = writer(fact, place)
        getattr(part, field).append(message)
        kind = Chart.DESCRIPTOR.fields_by_name[field].number
        times += [moment.earliest for moment in moments if moment][:1]
        unnamed = unnamed or reference
    return Told(kind, part, max(times, default=None), key_of(source, unnamed) if unnamed else "")


_Written = tuple[str, Any, tuple[Moment | None, ...], str]
"""The chart's field, the message, the moments it is ordered by (the first that is known counts), and
the reference to what it is still to be named by."""


def _encounter(fact: facts.EncounterFact, place: _Place) -> _Written:
    message = Encounter(
        id=place.id,
        status=fact.status,
        encounter_class=values.coding(fact.kind),
        types=codes(fact.types, SNOMED),
        reasons=codes(fact.reasons, SNOMED),
        period=values.period(fact.period),
        provider=fact.provider_name,
    )
    begun = fact.period.start if fact.period else None
    return "encounters", message, (begun,), "" if fact.provider_name else fact.provider


def _condition(fact: facts.ConditionFact, place: _Place) -> _Written:
    message = Condition(
        id=place.id,
        code=code(fact.code, SNOMED),
        clinical_status=fact.clinical_status,
        verification_status=fact.verification_status,
        onset_time=instant(fact.onset),
        abatement_time=instant(fact.abatement),
        encounter_id=place.encounter(fact.encounter),
    )
    return "conditions", message, (fact.onset, fact.recorded), ""


def _observation(fact: facts.ObservationFact, place: _Place) -> _Written:
    effective = fact.effective.start or fact.effective.end if fact.effective else None
    message = Observation(
        id=place.id,
        code=code(fact.code, LOINC, SNOMED),
        status=fact.status,
        categories=[c.code for category in fact.categories for c in category.codings if c.code],
        effective_time=instant(effective),
        value=values.found_value(fact.value),
        components=[
            ObservationComponent(
                code=code(one.code, LOINC, SNOMED), value=values.found_value(one.value)
            )
            for one in fact.components
        ],
        encounter_id=place.encounter(fact.encounter),
    )
    return "observations", message, (effective, fact.issued), ""


def _allergy(fact: facts.AllergyFact, place: _Place) -> _Written:
    message = Allergy(
        id=place.id,
        code=code(fact.code, RXNORM, SNOMED),
        clinical_status=fact.clinical_status,
        verification_status=fact.verification_status,
        criticality=fact.criticality,
        categories=fact.categories,
        reactions=codes(
            (seen for reaction in fact.reactions for seen in reaction.manifestations), SNOMED
        ),
        recorded_time=instant(fact.recorded),
    )
    return "allergies", message, (fact.recorded, fact.onset), ""


def _medication(fact: facts.MedicationFact, place: _Place) -> _Written:
    begun = fact.period.start or fact.period.end if fact.period else None
    named = code(fact.code, RXNORM)
    if named is None and fact.medication_name:
        named = Code(display=fact.medication_name)
    message = Medication(
        id=place.id,
        code=named,
        status=fact.status,
        authored_time=instant(begun),
        dosage="; ".join(fact.dosages),
        reasons=codes(fact.reasons, SNOMED),
        encounter_id=place.encounter(fact.encounter),
    )
    # A name from the reference itself is made better by the medicine's code.
    return "medications", message, (begun,), fact.medication if fact.code is None else ""


def _immunization(fact: facts.ImmunizationFact, place: _Place) -> _Written:
    message = Immunization(
        id=place.id,
        vaccine=code(fact.code, CVX),
        status=fact.status,
        occurrence_time=instant(fact.occurred),
        encounter_id=place.encounter(fact.encounter),
    )
    return "immunizations", message, (fact.occurred,), ""


def _procedure(fact: facts.ProcedureFact, place: _Place) -> _Written:
    performed = fact.performed
    message = Procedure(
        id=place.id,
        code=code(fact.code, SNOMED),
        status=fact.status,
        period=values.period(performed),
        reasons=codes(fact.reasons, SNOMED),
        encounter_id=place.encounter(fact.encounter),
    )
    moments = (performed.start, performed.end) if performed else ()
    return "procedures", message, moments, ""


def _report(fact: facts.ReportFact, place: _Place) -> _Written:
    effective = fact.effective.start or fact.effective.end if fact.effective else None
    results = (referred_id(place.source, "Observation", target) for target in fact.results)
    message = DiagnosticReport(
        id=place.id,
        code=code(fact.code, LOINC),
        status=fact.status,
        effective_time=instant(effective),
        observation_ids=filter(None, results),
        conclusion=fact.conclusion,
        encounter_id=place.encounter(fact.encounter),
    )
    return "diagnostic_reports", message, (effective, fact.issued), ""


def _document(fact: facts.DocumentFact, place: _Place) -> _Written:
    first = fact.attachments[0] if fact.attachments else None
    message = Document(
        id=place.id,
        type=code(fact.type, LOINC),
        status=fact.status,
        create_time=instant(fact.date),
        content_type=first.content_type if first else "",
        title=fact.description or (first.title if first else ""),
        encounter_id=next(filter(None, map(place.encounter, fact.encounters)), ""),
    )
    return "documents", message, (fact.date,), ""


def _coverage(fact: facts.CoverageFact, place: _Place) -> _Written:
    message: Coverage = coverage_message(fact, place.id, place.source, place.patient)
    begun = fact.period.start if fact.period else None
    return "coverages", message, (begun, fact.claimed), payer_reference(fact)


_WRITERS: Mapping[type[facts.Fact], Callable[[Any, _Place], _Written]] = MappingProxyType(
    {
        facts.EncounterFact: _encounter,
        facts.ConditionFact: _condition,
        facts.ObservationFact: _observation,
        facts.AllergyFact: _allergy,
        facts.MedicationFact: _medication,
        facts.ImmunizationFact: _immunization,
        facts.ProcedureFact: _procedure,
        facts.ReportFact: _report,
        facts.DocumentFact: _document,
        facts.CoverageFact: _coverage,
    }
)
