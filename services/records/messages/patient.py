"""A patient as the contract knows one."""

from datetime import datetime
from typing import Final

from plexus.records.v1 import patient_pb2 as api
from services.records.fhir.facts import Name, PatientFact
from services.records.messages import values

_SEXES: Final = {
    "male": api.ADMINISTRATIVE_SEX_MALE,
    "female": api.ADMINISTRATIVE_SEX_FEMALE,
    "other": api.ADMINISTRATIVE_SEX_OTHER,
    "unknown": api.ADMINISTRATIVE_SEX_UNKNOWN,
}
_USES: Final = ("official", "usual", "", "temp", "nickname", "anonymous", "maiden", "old")


def patient_message(
    fact: PatientFact, patient_id: str, source: str, changed: datetime
) -> api.Patient:
    """The patient, the name in use first."""
    return api.Patient(
        id=patient_id,
        names=[_name(name) for name in names_in_order(fact)],
        birth_date=values.date(fact.birth_date),
        sex=_SEXES.get(fact.gender, api.ADMINISTRATIVE_SEX_UNSPECIFIED),
        identifiers=[
            api.Identifier(system=one.system, value=one.value, type=one.type)
            for one in fact.identifiers
        ],
        telecoms=[
            api.ContactPoint(system=one.system, value=one.value, use=one.use)
            for one in fact.telecoms
        ],
        addresses=[
            api.Address(
                lines=one.lines,
                city=one.city,
                state=one.state,
                postal_code=one.postal_code,
                country=one.country,
            )
            for one in fact.addresses
        ],
        deceased=bool(fact.deceased),
        death_time=values.instant(fact.deceased_at),
        language=_language(fact),
        marital_status=fact.marital_status.label if fact.marital_status else "",
        source=source,
        update_time=values.timestamp(changed),
    )


def names_in_order(fact: PatientFact) -> list[Name]:
    """The official name first, former names last."""
    return sorted(fact.names, key=lambda name: _USES.index(name.use) if name.use in _USES else 2)


def _name(name: Name) -> api.HumanName:
    return api.HumanName(
        family=name.family,
        given=name.given,
        prefixes=name.prefix,
        suffixes=name.suffix,
        use=name.use,
        text=name.text,
    )


def _language(fact: PatientFact) -> str:
    codings = (coding for language in fact.languages for coding in language.codings)
    return next((coding.code for coding in codings if coding.code), "")
