"""The contract's shared values, of FHIR's."""

from collections.abc import Iterable
from datetime import MAXYEAR, UTC, datetime, timedelta
from datetime import date as date_type
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from plexus.records.v1.observation_pb2 import ObservationValue, Quantity
from plexus.type.v1.code_pb2 import Code
from plexus.type.v1.date_pb2 import Date
from plexus.type.v1.period_pb2 import Period
from services.records.fhir import values as fhir
from services.records.fhir.moments import Moment, Precision

SNOMED: Final = "http://snomed.info/sct"
LOINC: Final = "http://loinc.org"
RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
CVX: Final = "http://hl7.org/fhir/sid/cvx"
_UCUM: Final = "http://unitsofmeasure.org"
_LONGEST_SYSTEM: Final = 256
_LONGEST_CODE: Final = 128
_LONGEST_WORDS: Final = 1024
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(at: datetime) -> int:
    """Since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def timestamp(at: datetime) -> Timestamp:
    """The instant."""
    seconds, rest = divmod(microseconds(at), 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def instant(moment: Moment | None) -> Timestamp | None:
    """The first instant that *moment* can mean."""
    return None if moment is None else timestamp(moment.earliest)


def date(moment: Moment | None) -> Date | None:
    """The calendar date, as precise as it was written, in the zone it was written in."""
    if moment is None:
        return None
    year, month, day = [*map(int, moment.date.split("-")), 0, 0][:3]
    return Date(year=year, month=month, day=day)


def period(read: fhir.Period | None) -> Period | None:
    """FHIR's end is inside the period, the contract's is the first instant outside."""
    if read is None or (read.start is None and read.end is None):
        return None
    start = read.start.earliest if read.start else None
    end = _after(read.end) if read.end else None
    if start and end and end <= start:
        end = start + timedelta(seconds=1)
    return Period(start=timestamp(start) if start else None, end=timestamp(end) if end else None)


def code(concept: fhir.Concept | None, *preferred: str) -> Code | None:
    """One coding of a concept, of the first of the *preferred* systems that it is coded in."""
    if concept is None:
        return None
    chosen = next(
        (c for system in preferred for c in concept.codings if c.system == system and c.code),
        concept.codings[0] if concept.codings else fhir.Code("", "", ""),
    )
    return Code(
        system=chosen.system[:_LONGEST_SYSTEM],
        code=chosen.code[:_LONGEST_CODE],
        display=(chosen.display or concept.label)[:_LONGEST_WORDS],
    )


def codes(concepts: Iterable[fhir.Concept], *preferred: str) -> list[Code]:
    """One coding of each."""
    return [found for concept in concepts if (found := code(concept, *preferred))]


def coding(read: fhir.Code | None) -> Code | None:
    """A Coding that stands by itself."""
    return None if read is None else code(fhir.Concept((read,), ""))


def found_value(value: fhir.Value | None) -> ObservationValue | None:
    """What was found. None for the forms that the contract leaves to the original: ranges, ratios
    and times."""
    match value:
        case fhir.Quantity():
            return _quantity(value)
        case fhir.Concept():
            return ObservationValue(code=code(value, SNOMED, LOINC))
        case bool():
            return ObservationValue(text="true" if value else "false")
        case int():
            return ObservationValue(quantity=Quantity(value=value))
        case str():
            return ObservationValue(text=value)
    return None


def _quantity(read: fhir.Quantity) -> ObservationValue | None:
    if read.value is None:
        return None
    unit = read.code if read.system == _UCUM and read.code else read.unit
    if read.comparator:
        # As a number, `<5` would say that 5 was measured.
        return ObservationValue(text=f"{read.comparator}{read.value} {unit}".rstrip())
    return ObservationValue(quantity=Quantity(value=float(read.value), unit=unit))


def _after(moment: Moment) -> datetime:
    """The first instant after everything that *moment* can mean."""
    at = moment.earliest
    match moment.precision:
        case Precision.YEAR:
            later = (at.year + 1, 1, 1)
        case Precision.MONTH:
            later = (at.year + at.month // 12, at.month % 12 + 1, 1)
        case Precision.DAY:
            return at if at.date() == date_type.max else at + timedelta(days=1)
        case Precision.TIME:
            return at
    return at if later[0] > MAXYEAR else datetime(*later, tzinfo=UTC)
