"""Taking a bundle apart without losing the text of its resources."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.records.fhir.extraction import Surroundings
from services.records.fhir.json_text import Cursor, compact
from services.records.fhir.references import Resolver, id_in_uuid
from services.records.fhir.rule_error import RuleError

_MENTIONS_BUNDLE = re.compile(r'"resourceType"\s*:\s*"Bundle"')
_TYPES = ("transaction", "collection", "batch", "searchset", "document", "message")
_WRITES = ("POST", "PUT")


@dataclass(slots=True)
class Entry:
    """One entry of a bundle. `resource` is None where the entry has none."""

    around: dict[str, Any] = field(default_factory=dict)
    resource: object = None
    text: str = ""

    @property
    def full_url(self) -> str:
        url = self.around.get("fullUrl")
        return url if isinstance(url, str) else ""


@dataclass(frozen=True, slots=True)
class Bundle:
    envelope: Mapping[str, object]
    entries: list[Entry]


def read_bundle(text: str) -> Bundle | None:
    """The parts of a bundle; None if the text is something else. Raises JsonError, and RuleError
    if the bundle as a whole cannot be read."""
    if not _MENTIONS_BUNDLE.search(text):
        return None
    cursor = Cursor(text)
    if not cursor.opens("{"):
        return None
    envelope: dict[str, object] = {}
    entries: list[Entry] = []
    for name in cursor.members():
        if name in envelope:
            raise RuleError("has the same name twice")
        if name == "entry" and cursor.opens("["):
            envelope[name] = True
            entries = [_entry(cursor) for _ in cursor.items()]
        else:
            envelope[name] = cursor.value()
    cursor.finish()
    if envelope.get("resourceType") != "Bundle":
        return None
    _check_envelope(envelope)
    return Bundle(envelope, entries)


def _entry(cursor: Cursor) -> Entry:
    entry = Entry()
    if not cursor.opens("{"):
        cursor.value()
        return entry
    for name in cursor.members():
        start = cursor.begin()
        value = cursor.value()
        if name == "resource":
            entry.resource, entry.text = value, cursor.text[start : cursor.at]
        else:
            entry.around[name] = value
    return entry


def _check_envelope(envelope: Mapping[str, object]) -> None:
    kind = envelope.get("type")
    if kind is None:
        raise RuleError("is required").below("type")
    if kind not in _TYPES:
        raise RuleError("is not a type of bundle that can be imported").below("type")
    if "entry" in envelope and envelope["entry"] is not True:
        raise RuleError("must be a list").below("entry")


def check_entry(entry: Entry) -> None:
    """Raises RuleError if there is no resource in it to keep."""
    url = entry.around.get("fullUrl")
    if url is not None and not isinstance(url, str):
        raise RuleError("must be a JSON string").below("fullUrl")
    request = entry.around.get("request")
    method = request.get("method") if isinstance(request, dict) else None
    if method is not None and method not in _WRITES:
        raise RuleError("must be POST or PUT to be imported").below("method").below("request")
    if entry.resource is None:
        raise RuleError("is required").below("resource")


def identify(resource: Mapping[str, Any], full_url: str, text: str) -> str:
    """The id of a resource: its own, else the UUID of its full URL, else one made of its content,
    so that the same resource gets the same id whenever it is read."""
    own = resource.get("id")
    if isinstance(own, str):
        return own
    return id_in_uuid(full_url) or hashlib.sha256(compact(text)).hexdigest()[:40]


def surroundings(bundle: Bundle) -> Surroundings:
    """How the resources of one bundle refer to each other, the broken ones included."""
    targets: dict[str, str] = {}
    neighbours: dict[str, Mapping[str, Any]] = {}
    for entry, resource in _resources(bundle):
        target = f"{resource['resourceType']}/{identify(resource, entry.full_url, entry.text)}"
        neighbours.setdefault(target, resource)
        if entry.full_url:
            targets.setdefault(entry.full_url, target)
    return Surroundings(Resolver(targets), neighbours)


def _resources(bundle: Bundle) -> Iterator[tuple[Entry, Mapping[str, Any]]]:
    for entry in bundle.entries:
        resource = entry.resource
        if isinstance(resource, dict) and isinstance(resource.get("resourceType"), str):
            yield entry, resource
