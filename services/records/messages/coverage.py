"""A coverage as the contract knows one."""

from typing import Final

from mesh.persistence.identifiers import derived_id
from plexus.records.v1.coverage_pb2 import Coverage
from services.records.fhir.facts import CoverageFact
from services.records.messages.values import date

_PLAN_CLASSES: Final = ("plan", "group")


def coverage_message(
    fact: CoverageFact, resource_id: str, source: str, patient_key: str
) -> Coverage:
    """The coverage. One that a claim or explanation of benefits contains has no identity of its own:
    it is the patient's one coverage by that payer, plan, relationship and days."""
    message = Coverage(
        id=resource_id,
        status=fact.status,
        payer=_payer(fact),
        member_id=fact.member_id,
        plan=_plan(fact),
        relationship=fact.relationship,
        start_date=date(fact.period.start) if fact.period else None,
        end_date=date(fact.period.end) if fact.period else None,
    )
    if fact.claimed or fact.contained_id:
        days = (fact.period.start, fact.period.end) if fact.period else ()
        message.id = derived_id(
            "cov",
            source,
            patient_key,
            message.payer or payer_reference(fact),
            message.plan,
            message.relationship,
            *(day.date if day else "" for day in days),
        )
    return message


def payer_reference(fact: CoverageFact) -> str:
    """Where the payer's name is to be found, when the coverage does not state it; "" if it does."""
    if _payer(fact):
        return ""
    return next((payer.reference for payer in fact.payers if payer.reference), "")


def _payer(fact: CoverageFact) -> str:
    return next((payer.name for payer in fact.payers if payer.name), "")


def _plan(fact: CoverageFact) -> str:
    for kind in _PLAN_CLASSES:
        for one in fact.classes:
            if one.type == kind and (one.name or one.value):
                return one.name or one.value
    return fact.type.label if fact.type else ""
