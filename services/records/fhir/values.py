"""The data types of FHIR that facts are made of, frozen, and how each is read from checked JSON.

Every `read_…` takes JSON that `check_resource` has let through; absent input gives None or ().
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from services.records.fhir.moments import Moment, moment

JsonMap = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, repr=False)
class Code:
    """`system` is a URI as written, such as http://loinc.org; any part may be empty."""

    system: str
    code: str
    display: str


@dataclass(frozen=True, slots=True, repr=False)
class Concept:
    """A CodeableConcept: one meaning, coded in any number of systems, and as text."""

    codings: tuple[Code, ...]
    text: str

    def code_in(self, system: str) -> str:
        """The first code in `system`, or an empty string."""
        return next((c.code for c in self.codings if c.system == system), "")

    @property
    def label(self) -> str:
        """Words for a reader: the text, else the first display, else the first code."""
        displays = (c.display for c in self.codings if c.display)
        return self.text or next(displays, "") or next((c.code for c in self.codings), "")


@dataclass(frozen=True, slots=True, repr=False)
class Period:
    start: Moment | None
    end: Moment | None


@dataclass(frozen=True, slots=True, repr=False)
class Quantity:
    """`unit` is for reading; `code` in `system` (most often UCUM) is the unit to compute with."""

    value: Decimal | None
    comparator: str
    unit: str
    system: str
    code: str


@dataclass(frozen=True, slots=True, repr=False)
class Range:
    low: Quantity | None
    high: Quantity | None


@dataclass(frozen=True, slots=True, repr=False)
class Ratio:
    numerator: Quantity | None
    denominator: Quantity | None


Value = Quantity | Concept | str | bool | int | Range | Ratio | Period | Moment
"""What an observation may have found. A time of day is a str."""


def read_code(json: JsonMap | None) -> Code | None:
    if json is None:
        return None
    return Code(json.get("system", ""), json.get("code", ""), json.get("display", ""))


def read_concept(json: JsonMap | None) -> Concept | None:
    if json is None:
        return None
    codings = tuple(
        Code(c.get("system", ""), c.get("code", ""), c.get("display", ""))
        for c in json.get("coding", ())
    )
    return Concept(codings, json.get("text", ""))


def read_concepts(json: Sequence[JsonMap] | None) -> tuple[Concept, ...]:
    return each(json, read_concept)


def read_moment(text: str | None) -> Moment | None:
    return None if text is None else moment(text)


def read_period(json: JsonMap | None) -> Period | None:
    if json is None:
        return None
    return Period(read_moment(json.get("start")), read_moment(json.get("end")))


def read_quantity(json: JsonMap | None) -> Quantity | None:
    if json is None:
        return None
    value = json.get("value")
    return Quantity(
        None if value is None else Decimal(value),
        json.get("comparator", ""),
        json.get("unit", ""),
        json.get("system", ""),
        json.get("code", ""),
    )


def read_range(json: JsonMap | None) -> Range | None:
    if json is None:
        return None
    return Range(read_quantity(json.get("low")), read_quantity(json.get("high")))


def read_ratio(json: JsonMap | None) -> Ratio | None:
    if json is None:
        return None
    return Ratio(read_quantity(json.get("numerator")), read_quantity(json.get("denominator")))


_VALUE_READERS: Mapping[str, Callable[[Any], Value | None]] = {
    "Quantity": read_quantity,
    "CodeableConcept": read_concept,
    "String": str,
    "Boolean": bool,
    "Integer": int,
    "Range": read_range,
    "Ratio": read_ratio,
    "Time": str,
    "DateTime": read_moment,
    "Period": read_period,
}


def read_value(json: JsonMap) -> Value | None:
    """The `value[x]` of an observation or of one of its components."""
    for kind, reader in _VALUE_READERS.items():
        found = json.get(f"value{kind}")
        if found is not None:
            return reader(found)
    return None


def each(items: Sequence[Any] | None, reader: Callable[[Any], T | None]) -> tuple[T, ...]:
    """Reads every item of a list that may be absent, and leaves out what is not there."""
    read = (reader(item) for item in items or () if item is not None)
    return tuple(value for value in read if value is not None)
