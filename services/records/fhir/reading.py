"""FHIR R4 as bytes, to resources that can be stored: the one way in."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from services.records.fhir.bundle import (
    Bundle,
    check_entry,
    identify,
    read_bundle,
    surroundings,
)
from services.records.fhir.checks import check_resource, known_type
from services.records.fhir.extraction import Surroundings, extract_facts
from services.records.fhir.facts import Fact
from services.records.fhir.framing import LARGEST_DOCUMENT, Form, frame
from services.records.fhir.invariants import references_in
from services.records.fhir.json_text import JsonError, compact, decode, decode_text
from services.records.fhir.moments import Moment
from services.records.fhir.references import Resolver, patient_of
from services.records.fhir.rule_error import RuleError
from services.records.fhir.values import read_moment


@dataclass(frozen=True, slots=True)
class Reference:
    """`target` is `Type/id` where it could be resolved, and what was `written` otherwise."""

    written: str = field(repr=False)
    target: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ParsedResource:
    """One resource that R4 allows.

    `path` is where it stood: `$`, `$.entry[3].resource`, `line 17: $`. `id` is its own, else the
    UUID of `full_url`, else one made of its content. `version` and `last_updated` are meta's, ""
    and None where absent. `patient` is `Patient/id` of the one it is about, the reference as
    written where that could not be resolved, "" for none. `original` is its JSON in UTF-8, every
    token as it was written, without the space between tokens.
    """

    path: str
    type: str
    id: str = field(repr=False)
    version: str
    last_updated: Moment | None
    full_url: str = field(repr=False)
    patient: str = field(repr=False)
    original: bytes = field(repr=False)
    references: tuple[Reference, ...] = field(repr=False)
    facts: tuple[Fact, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class BadResource:
    """What was left out and why: a path such as `$.entry[3].resource.birthDate` or
    `line 17: $.birthDate`, and a reason. Neither holds anything of what was written there. `type` is
    the type of resource, "" where it could not be told."""

    path: str
    reason: str
    type: str = ""


def read_resources(
    chunks: Iterable[bytes], form: Form = Form.DETECTED, limit: int = LARGEST_DOCUMENT
) -> Iterator[ParsedResource | BadResource]:
    """Reads bundles, single resources or NDJSON of either, in the order of the input.

    `limit` (bytes) is the largest bundle, resource or line; a larger one is one BadResource. Never
    raises for what it reads: a bad resource, line or bundle is a BadResource and the rest goes on.
    """
    for document in frame(chunks, form, limit):
        if document.data is None:
            reason = f"is larger than {limit} bytes"
            yield BadResource(f"{document.prefix}$", reason)
        else:
            yield from _read_document(document.data, f"{document.prefix}$")


def _read_document(data: bytes, path: str) -> Iterator[ParsedResource | BadResource]:
    try:
        text = decode_text(data)
        bundle = read_bundle(text)
        resource = None if bundle else decode(text)
    except JsonError as problem:
        yield BadResource(path, str(problem))
        return
    except RuleError as broken:
        yield BadResource(f"{path}{broken.path}", broken.reason)
        return
    if bundle:
        yield from _read_entries(bundle, path)
    else:
        yield _read_resource(resource, text, path, "", Surroundings(Resolver()))


def _read_entries(bundle: Bundle, path: str) -> Iterator[ParsedResource | BadResource]:
    around = surroundings(bundle)
    seen: set[str] = set()
    for index, entry in enumerate(bundle.entries):
        here = f"{path}.entry[{index}]"
        try:
            check_entry(entry)
            if entry.full_url and entry.full_url in seen:
                raise RuleError("must not stand twice in a bundle").below("fullUrl")
        except RuleError as broken:
            yield BadResource(f"{here}{broken.path}", broken.reason)
            continue
        seen.add(entry.full_url)
        yield _read_resource(entry.resource, entry.text, f"{here}.resource", entry.full_url, around)


def _read_resource(
    resource: object, text: str, path: str, full_url: str, around: Surroundings
) -> ParsedResource | BadResource:
    try:
        check_resource(resource)
    except RuleError as broken:
        return BadResource(f"{path}{broken.path}", broken.reason, known_type(resource))
    assert isinstance(resource, dict)  # check_resource has made sure
    return _parsed(resource, text, path, full_url, around)


def _parsed(
    resource: dict[str, Any], text: str, path: str, full_url: str, around: Surroundings
) -> ParsedResource:
    kind, resolver = resource["resourceType"], around.resolver
    identity = identify(resource, full_url, text)
    meta = resource.get("meta", {})
    return ParsedResource(
        path=path,
        type=kind,
        id=identity,
        version=meta.get("versionId", ""),
        last_updated=read_moment(meta.get("lastUpdated")),
        full_url=full_url,
        patient=patient_of(resource, f"{kind}/{identity}", resolver)
        or _patient_told_of(resource, around),
        original=compact(text),
        references=tuple(
            Reference(written, resolver.resolve(written)) for _, written in references_in(resource)
        ),
        facts=extract_facts(resource, around),
    )


def _patient_told_of(resource: dict[str, Any], around: Surroundings) -> str:
    """A Provenance belongs to the patient of what it tells the origin of, if that is in the bundle."""
    if resource["resourceType"] != "Provenance":
        return ""
    told_of = (around.find(resource, target) for target in resource["target"])
    owners = (patient_of(found, "", around.resolver) for found in told_of if found)
    return next(filter(None, owners), "")
