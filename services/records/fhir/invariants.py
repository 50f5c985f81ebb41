"""Rules between elements that R4 states as errors, each named by its key in the specification."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from services.records.fhir.moments import Moment, Precision, moment
from services.records.fhir.required_codes import STATUS_SYSTEMS
from services.records.fhir.rule_error import RuleError

_Object = Mapping[str, Any]
Invariant = Callable[[_Object], None]


def _per_1(period: _Object) -> None:
    start, end = period.get("start"), period.get("end")
    if start and end and _certainly_after(moment(start), moment(end)):
        raise RuleError("must not be before start").below("end")


def _certainly_after(first: Moment, second: Moment) -> bool:
    if first.precision is Precision.TIME and second.precision is Precision.TIME:
        return first.earliest > second.earliest
    if Precision.TIME in (first.precision, second.precision) and _whole_days(first, second):
        # A day without a zone may begin or end up to 14 hours off: only more than a day is certain.
        return first.earliest.toordinal() > second.earliest.toordinal() + 1
    shared = min(len(first.date), len(second.date))
    return first.date[:shared] > second.date[:shared]


def _whole_days(*moments: Moment) -> bool:
    return all(m.precision in (Precision.DAY, Precision.TIME) for m in moments)


def _cpt_2(contact: _Object) -> None:
    if "value" in contact and not _has(contact, "system"):
        raise RuleError("is required beside value").below("system")


def _qty_3(quantity: _Object) -> None:
    if "code" in quantity and not _has(quantity, "system"):
        raise RuleError("is required beside code").below("system")


def _att_1(attachment: _Object) -> None:
    if "data" in attachment and not _has(attachment, "contentType"):
        raise RuleError("is required beside data").below("contentType")


def _ext_1(extension: _Object) -> None:
    valued = any(name.lstrip("_").startswith("value") for name in extension)
    if valued == ("extension" in extension):
        raise RuleError("must have either a value or extensions of its own")


def _pat_1(contact: _Object) -> None:
    if not any(_has(contact, name) for name in ("name", "telecom", "address", "organization")):
        raise RuleError("must have a name, telecom, address or organization")


def _obs_6(observation: _Object) -> None:
    if "dataAbsentReason" in observation and any(name.startswith("value") for name in observation):
        raise RuleError("must not stand beside a value").below("dataAbsentReason")


def _status_codes(resource: _Object) -> None:
    for name in ("clinicalStatus", "verificationStatus"):
        for index, coding in enumerate(resource.get(name, {}).get("coding", ())):
            allowed = STATUS_SYSTEMS.get(coding.get("system", ""))
            if allowed is not None and "code" in coding and coding["code"] not in allowed:
                broken = RuleError("is not one of the codes R4 allows here")
                raise broken.below("code").below(index).below("coding").below(name)


def _con_4(condition: _Object) -> None:
    abated = any(name.startswith("abatement") for name in condition)
    clinical = _codes(condition, "clinicalStatus")
    if abated and clinical and not clinical & {"inactive", "resolved", "remission"}:
        raise RuleError("must be inactive, resolved or remission once abated").below(
            "clinicalStatus"
        )


def _mistaken_has_no_clinical_status(resource: _Object) -> None:
    """con-5 and ait-2."""
    if "clinicalStatus" in resource and "entered-in-error" in _codes(
        resource, "verificationStatus"
    ):
        raise RuleError("must be absent from what was entered in error").below("clinicalStatus")


def _ait_1(allergy: _Object) -> None:
    if "clinicalStatus" not in allergy and "entered-in-error" not in _codes(
        allergy, "verificationStatus"
    ):
        raise RuleError("is required unless entered in error").below("clinicalStatus")


def _codes(resource: _Object, name: str) -> set[str]:
    return {coding.get("code", "") for coding in resource.get(name, {}).get("coding", ())}


def _has(owner: _Object, name: str) -> bool:
    return name in owner or f"_{name}" in owner


_QUANTITIES = ("Quantity", "Age", "Count", "Distance", "Duration")

INVARIANTS: Mapping[str, tuple[Invariant, ...]] = MappingProxyType(
    {
        "Period": (_per_1,),
        "ContactPoint": (_cpt_2,),
        "Attachment": (_att_1,),
        "Extension": (_ext_1,),
        "PatientContact": (_pat_1,),
        "Observation": (_obs_6,),
        "Condition": (_status_codes, _con_4, _mistaken_has_no_clinical_status),
        "AllergyIntolerance": (_status_codes, _ait_1, _mistaken_has_no_clinical_status),
    }
    | dict.fromkeys(_QUANTITIES, (_qty_3,))
)


def check_contained(resource: dict[str, object]) -> None:
    """dom-2: what is contained contains nothing itself. ref-1: `#x` names something contained."""
    contained = resource.get("contained")
    inner = contained if isinstance(contained, list) else []
    for index, item in enumerate(inner):
        if isinstance(item, dict) and "contained" in item:
            broken = RuleError("must not be inside a contained resource").below("contained")
            raise broken.below(index).below("contained")
    if resource.get("resourceType") in ("Bundle", "Parameters"):
        return  # their `#x` belong to the resources inside
    local = {f"#{item.get('id')}" for item in inner if isinstance(item, dict)} | {"#"}
    for path, reference in references_in(resource):
        if reference.startswith("#") and reference not in local:
            raise _at(path, RuleError("names no contained resource"))


def references_in(value: object) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every literal reference below `value`, with the steps that lead to it."""
    pending: list[tuple[tuple[str | int, ...], object]] = [((), value)]
    while pending:
        path, here = pending.pop()
        if isinstance(here, dict):
            reference = here.get("reference")
            if isinstance(reference, str):
                yield (*path, "reference"), reference
            pending += [((*path, n), v) for n, v in here.items() if isinstance(v, dict | list)]
        elif isinstance(here, list):
            pending += [((*path, i), v) for i, v in enumerate(here) if isinstance(v, dict | list)]


def _at(path: tuple[str | int, ...], broken: RuleError) -> RuleError:
    for step in reversed(path):
        broken = broken.below(step)
    return broken
