"""What a reference points to, and whose record a resource belongs to."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_LITERAL = re.compile(r"([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})(/_history/[A-Za-z0-9\-.]{1,64})?")
_UUID = re.compile(r"urn:uuid:([0-9a-fA-F-]{36})")

# The elements by which a resource joins the Patient compartment, in the order of their weight.
# Source: https://hl7.org/fhir/R4/compartmentdefinition-patient.html
_SUBJECTS = ("subject", "patient", "beneficiary", "individual", "for", "candidate")
_MEMBERS = ("participant", "actor", "target", "link", "entity")
_WITHIN_MEMBERS = ("actor", "target", "what")


class Resolver:
    """References as `Type/id`, by the full URLs of the bundle they stand in."""

    def __init__(self, targets: Mapping[str, str] | None = None) -> None:
        self._targets = targets or {}

    def resolve(self, reference: str) -> str:
        """`Type/id` without version where it can be known; otherwise the reference as written."""
        target = self._targets.get(reference)
        if target is None and (match := _LITERAL.fullmatch(reference)):
            return match.group(1)
        return target or reference

    def of(self, json: Mapping[str, Any] | None) -> str:
        """The target of a Reference element. One that only has an identifier is turned into the
        conditional form `Type?identifier=system|value` if it tells its type; otherwise ""."""
        if json is None:
            return ""
        reference = json.get("reference")
        if isinstance(reference, str):
            return self.resolve(reference)
        return _conditional(json, _type(json))


def id_in_uuid(full_url: str) -> str:
    """The UUID of `urn:uuid:…`, or ""."""
    match = _UUID.fullmatch(full_url)
    return match.group(1) if match else ""


def patient_of(resource: Mapping[str, Any], own: str, resolver: Resolver) -> str:
    """`Patient/id` (or the reference as written, if it names a patient by other means) of the one
    this resource is about; "" for none, such as an Organization."""
    if resource["resourceType"] == "Patient":
        return own
    for reference in _below(resource, _SUBJECTS):
        target = resolver.of(reference) or _conditional(reference, _type(reference) or "Patient")
        # Outside the input the type of an urn is not known; a subject is most likely a patient.
        if _names_patient(target) or (target.startswith("urn:") and not _type(reference)):
            return target
    for member in _below(resource, _MEMBERS):
        for reference in (member, *_below(member, _WITHIN_MEMBERS)):
            if _names_patient(target := resolver.of(reference)):
                return target
    return ""


def _below(owner: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[Mapping[str, Any]]:
    for name in names:
        found = owner.get(name)
        for item in found if isinstance(found, list) else (found,):
            if isinstance(item, dict):
                yield item


def _names_patient(target: str) -> bool:
    before_query = target.partition("?")[0]
    return before_query == "Patient" or before_query.rpartition("/")[0].endswith("Patient")


def _type(json: Mapping[str, Any]) -> str:
    kind = json.get("type")
    return kind.rpartition("/")[2] if isinstance(kind, str) else ""


def _conditional(json: Mapping[str, Any], kind: str) -> str:
    identifier = json.get("identifier")
    if not kind or not isinstance(identifier, dict) or not identifier.get("value"):
        return ""
    return f"{kind}?identifier={identifier.get('system', '')}|{identifier['value']}"
