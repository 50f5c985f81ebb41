"""What a resource is called here, and what it can be found by."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from mesh.persistence.identifiers import derived_id

PATIENT: Final = "Patient"
_PREFIXES: Final = {
    PATIENT: "pat",
    "Encounter": "enc",
    "Condition": "con",
    "Observation": "obs",
    "AllergyIntolerance": "alg",
    "MedicationRequest": "med",
    "MedicationStatement": "med",
    "Immunization": "imm",
    "Procedure": "prc",
    "DiagnosticReport": "rep",
    "DocumentReference": "doc",
    "Coverage": "cov",
}
_OTHERS: Final = "res"
_LITERAL: Final = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")


# The same few patients, encounters and organizations are referred to again and again.
@lru_cache(maxsize=4096)
def resource_id(source: str, resource_type: str, source_id: str) -> str:
    """The id here, such as `con_…`: the same for ever for the same resource of the same source."""
    prefix = _PREFIXES.get(resource_type, _OTHERS)
    return derived_id(prefix, source, resource_type, source_id)


def key_of(source: str, target: str) -> str:
    """What a reference is looked up by: the id here of `Type/id`; for any other form, such as
    `Patient?identifier=…`, a `key_…` that the resource has as an alias once it is here.

    Such a key can be made of a record number: it stays in the store.
    """
    literal = _LITERAL.fullmatch(target)
    if literal:
        return resource_id(source, *literal.groups())
    return derived_id("key", source, target)


def is_id(key: str) -> bool:
    """Whether a key is an id already, and not to be looked up."""
    return not key.startswith("key_")


def referred_id(source: str, resource_type: str, target: str) -> str:
    """The id here of what a resolved reference leads to; "" where it leads to another type or
    could not be resolved."""
    kind, _, source_id = target.partition("/")
    if kind != resource_type or not _LITERAL.fullmatch(target):
        return ""
    return resource_id(source, resource_type, source_id)


def aliases(resource: dict[str, Any], full_url: str) -> Iterator[str]:
    """The references, beside `Type/id`, that lead to a resource: its full URL where it was stated,
    and its identifiers. A URL that merely ends with the same `Type/id` is another server's."""
    if full_url:
        yield full_url
    kind = resource["resourceType"]
    # One or many, by the type of resource.
    identifiers = resource.get("identifier", [])
    for identifier in identifiers if isinstance(identifiers, list) else [identifiers]:
        # Of the few types that are held to the rules of JSON only, it can be anything.
        value = identifier.get("value") if isinstance(identifier, dict) else None
        if value:
            yield f"{kind}?identifier={identifier.get('system', '')}|{value}"
            yield f"{kind}?identifier={value}"
