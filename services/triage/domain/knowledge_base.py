"""The knowledge base: findings, red-flag rules and considerations, frozen and checked when loaded.

The data are TOML files in ``knowledge/``. A mistake in them (an unknown finding, a missing source,
a condition that cannot be read) raises `KnowledgeError` naming the entry, before any patient is
assessed with half a rule.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from services.triage.domain.language.lexicon import Lexicon, build_lexicon
from services.triage.domain.language.quantities import HOURS
from services.triage.domain.urgency import Urgency

_FOLDER = Path(__file__).parent / "knowledge"
_ITEM = re.compile(
    r"(?P<subject>[a-z_0-9]+)(?:@(?P<quality>severe|sudden)"
    r"|(?P<order>>=|<=|<)(?P<number>\d+)(?P<unit>mo|y|h|d)|=(?P<value>female|male))?"
)
_UNIT_HOURS = {"h": 1.0, "d": HOURS["day"]}
_UNIT_MONTHS = {"mo": 1, "y": 12}


class KnowledgeError(ValueError):
    """The knowledge base contradicts itself; the message names the entry and the mend."""


class Kind(StrEnum):
    SYMPTOM = "symptom"  # can be over: "the pain went away"
    EVENT = "event"  # happened; that it is over does not undo it
    MEASURED = "measured"  # also follows from a number in the text
    BACKGROUND = "background"  # condition, medicine or circumstance; also from the chart
    REQUEST = "request"  # a wish, not a symptom


class Criterion(StrEnum):
    HELD = "held"
    SEVERE = "severe"
    SUDDEN = "sudden"
    LASTS_AT_LEAST = "lasts_at_least"  # hours
    LASTS_AT_MOST = "lasts_at_most"  # hours
    AGE_AT_LEAST = "age_at_least"  # months
    AGE_UNDER = "age_under"  # months
    SEX_IS = "sex_is"


@dataclass(frozen=True, slots=True)
class Finding:
    """A symptom or circumstance. ``urgency`` is what it alone asks for; ``implies`` is transitive."""

    id: str
    name: str
    system: str
    kind: Kind
    urgency: Urgency
    mild: Urgency
    severe: Urgency
    implies: tuple[str, ...]
    ask: str
    say: tuple[str, ...]
    chart: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Item:
    """One condition of a rule: a test of a finding, or of age or sex."""

    subject: str
    test: Criterion
    value: float = 0
    sex: str = ""

    @property
    def finding(self) -> str | None:
        return None if self.subject in ("age", "sex") else self.subject


@dataclass(frozen=True, slots=True)
class Form:
    """All of ``every`` and, when there are any, one of ``any_of``."""

    every: tuple[Item, ...]
    any_of: tuple[Item, ...]

    @property
    def items(self) -> tuple[Item, ...]:
        return self.every + self.any_of


@dataclass(frozen=True, slots=True)
class RedFlag:
    id: str
    name: str
    urgency: Urgency
    when: tuple[Form, ...]
    advice: str
    source: str


@dataclass(frozen=True, slots=True)
class Consideration:
    id: str
    name: str
    speaks_for: tuple[str, ...]
    expected: tuple[str, ...]
    against: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class KnowledgeBase:
    findings: Mapping[str, Finding]
    red_flags: tuple[RedFlag, ...]
    considerations: tuple[Consideration, ...]
    sources: Mapping[str, str]
    lexicon: Lexicon

    @cached_property
    def rules_touched(self) -> Mapping[str, frozenset[str]]:
        """The red flags that a finding can be part of, itself or as the wider one of a part."""
        touched: dict[str, set[str]] = {key: set() for key in self.findings}
        for rule in self.red_flags:
            for item in (item for form in rule.when for item in form.items if item.finding):
                for key in (item.subject, *self.findings[item.subject].implies):
                    touched[key].add(rule.id)
        return {key: frozenset(rules) for key, rules in touched.items()}


@cache
def load_knowledge() -> KnowledgeBase:
    """Load the packaged knowledge base, once per process."""
    return parse_knowledge(
        findings=_entries(sorted((_FOLDER / "findings").glob("*.toml")), "finding"),
        red_flags=_entries(sorted((_FOLDER / "red_flags").glob("*.toml")), "rule"),
        considerations=_entries([_FOLDER / "considerations.toml"], "consideration"),
        sources=tomllib.loads((_FOLDER / "sources.toml").read_text("utf-8"))["source"],
    )


@cache
def knowledge_version() -> str:
    """Which knowledge this is: 16 hexadecimal digits of the SHA-256 of its files."""
    digest = hashlib.sha256()
    for path in sorted(_FOLDER.rglob("*.toml")):
        for part in (path.relative_to(_FOLDER).as_posix().encode(), path.read_bytes()):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()[:16]


def _entries(paths: Iterable[Path], key: str) -> list[dict[str, Any]]:
    return [entry for path in paths for entry in tomllib.loads(path.read_text("utf-8"))[key]]


def parse_knowledge(
    findings: list[dict[str, Any]],
    red_flags: list[dict[str, Any]],
    considerations: list[dict[str, Any]],
    sources: dict[str, str],
) -> KnowledgeBase:
    """Build and check a knowledge base from plain entries; raises KnowledgeError."""
    known = [_finding(entry) for entry in findings]
    rules = tuple(_red_flag(entry) for entry in red_flags)
    views = tuple(_consideration(entry) for entry in considerations)
    by_id = {each.id: each for each in known}
    for named in ([f.id for f in known], [r.id for r in rules], [v.id for v in views]):
        _check_unique(named)
    entries: tuple[Finding | RedFlag | Consideration, ...] = (*known, *rules, *views)
    for each in entries:
        if each.source not in sources:
            raise KnowledgeError(f"{each.id}: source {each.source!r} is not in sources.toml")
    for owner, ids in _references(known, rules, views):
        for unknown in set(ids) - by_id.keys():
            raise KnowledgeError(f"{owner}: unknown finding {unknown!r}")
    lexicon = build_lexicon((each.id, phrase) for each in known for phrase in each.say)
    return KnowledgeBase(
        MappingProxyType(by_id), rules, views, MappingProxyType(dict(sources)), lexicon
    )


def _check_unique(ids: list[str]) -> None:
    seen: set[str] = set()
    for each in ids:
        if each in seen and ids.count(each) > 1:
            raise KnowledgeError(f"{each}: the id is used twice")
        seen.add(each)


def _references(
    findings: list[Finding], rules: tuple[RedFlag, ...], views: tuple[Consideration, ...]
) -> Iterable[tuple[str, tuple[str, ...]]]:
    for finding in findings:
        yield finding.id, finding.implies
    for rule in rules:
        for form in rule.when:
            yield rule.id, tuple(item.finding for item in form.items if item.finding)
    for view in views:
        yield view.id, view.speaks_for + view.expected + view.against


def _finding(entry: dict[str, Any]) -> Finding:
    usual = _urgency(entry, "urgency")
    return Finding(
        id=_text(entry, "id"),
        name=_text(entry, "name"),
        system=_text(entry, "system"),
        kind=Kind(entry.get("kind", Kind.SYMPTOM)),
        urgency=usual,
        mild=_urgency(entry, "mild") if "mild" in entry else usual,
        severe=_urgency(entry, "severe") if "severe" in entry else usual,
        implies=tuple(entry.get("implies", ())),
        ask=_text(entry, "ask"),
        say=_texts(entry, "say"),
        chart=tuple(entry.get("chart", ())),
        source=_text(entry, "source"),
    )


def _red_flag(entry: dict[str, Any]) -> RedFlag:
    forms = tuple(_form(_text(entry, "id"), form) for form in entry.get("when", ()))
    if not forms:
        raise KnowledgeError(f"{entry['id']}: 'when' needs at least one form")
    return RedFlag(
        _text(entry, "id"),
        _text(entry, "name"),
        _urgency(entry, "urgency"),
        forms,
        _text(entry, "advice"),
        _text(entry, "source"),
    )


def _form(owner: str, entry: dict[str, list[str]]) -> Form:
    if not entry or entry.keys() - {"all", "any"}:
        raise KnowledgeError(f"{owner}: a form has 'all' and 'any', nothing else")
    form = Form(
        tuple(parse_item(owner, text) for text in entry.get("all", ())),
        tuple(parse_item(owner, text) for text in entry.get("any", ())),
    )
    chosen = form.any_of and all(item.finding for item in form.any_of)
    if not chosen and not any(item.finding for item in form.every):
        raise KnowledgeError(f"{owner}: a form needs a finding, not only an age or a sex")
    return form


def parse_item(owner: str, text: str) -> Item:
    """Read one condition ("headache@severe", "fever>=5d", "age<3mo"); raises KnowledgeError."""
    match = _ITEM.fullmatch(text)
    if match is None:
        raise KnowledgeError(f"{owner}: cannot read the condition {text!r}")
    subject, order, unit = match["subject"], match["order"], match["unit"]
    if match["value"]:
        return Item(subject, Criterion.SEX_IS, sex=match["value"])
    if match["quality"]:
        return Item(subject, Criterion(match["quality"]))
    if order is None:
        return Item(subject, Criterion.HELD)
    is_age = subject == "age"
    if is_age != (unit in _UNIT_MONTHS) or order == ("<=" if is_age else "<"):
        raise KnowledgeError(f"{owner}: {text!r}: age takes >= or < with mo or y, others h or d")
    if is_age:
        test = Criterion.AGE_AT_LEAST if order == ">=" else Criterion.AGE_UNDER
        return Item(subject, test, int(match["number"]) * _UNIT_MONTHS[unit])
    test = Criterion.LASTS_AT_LEAST if order == ">=" else Criterion.LASTS_AT_MOST
    return Item(subject, test, int(match["number"]) * _UNIT_HOURS[unit])


def _consideration(entry: dict[str, Any]) -> Consideration:
    return Consideration(
        _text(entry, "id"),
        _text(entry, "name"),
        _texts(entry, "for"),
        tuple(entry.get("expected", ())),
        tuple(entry.get("against", ())),
        _text(entry, "source"),
    )


def _text(entry: dict[str, Any], key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip():
        raise KnowledgeError(f"{entry.get('id', entry)}: {key!r} is missing")
    return value


def _texts(entry: dict[str, Any], key: str) -> tuple[str, ...]:
    values = tuple(entry.get(key, ()))
    if not values or not all(isinstance(each, str) and each.strip() for each in values):
        raise KnowledgeError(f"{entry.get('id', entry)}: {key!r} needs at least one text")
    return values


def _urgency(entry: dict[str, Any], key: str) -> Urgency:
    try:
        return Urgency[_text(entry, key)]
    except KeyError as wrong:
        raise KnowledgeError(f"{entry.get('id')}: {key!r} is no urgency: {wrong}") from None
