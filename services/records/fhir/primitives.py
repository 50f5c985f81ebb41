"""The primitive types of FHIR R4. Patterns: https://hl7.org/fhir/R4/datatypes.html#primitive."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType

from services.records.fhir.moments import moment
from services.records.fhir.rule_error import RuleError

Check = Callable[[object], None]

_DATE = r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?"
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?"
_ZONE = r"(Z|[+-]((0\d|1[0-3]):[0-5]\d|14:00))"
_DAY = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
# What R4 keeps out of every string, and half surrogate pairs, which no database can store.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_BASE64_GAPS = re.compile(r"\s+")
_BASE64 = re.compile(r"[0-9A-Za-z+/]*={0,2}")


def check_text(value: object) -> None:
    """Raises RuleError unless R4 allows the string: not empty, without control characters."""
    if not isinstance(value, str):
        raise RuleError("must be a JSON string")
    if not value:
        raise RuleError("must not be empty")
    if _ILLEGAL.search(value):
        raise RuleError("must not hold control characters or half surrogate pairs")


def _pattern(pattern: str, reason: str) -> Check:
    fits = re.compile(pattern).fullmatch

    def check(value: object) -> None:
        check_text(value)
        if not fits(str(value)):
            raise RuleError(reason)

    return check


def _calendar(pattern: str, reason: str) -> Check:
    written = _pattern(pattern, reason)

    def check(value: object) -> None:
        written(value)
        try:
            moment(str(value))
        except ValueError:
            raise RuleError(f"{reason} that exists in the calendar") from None

    return check


def _whole(lowest: int) -> Check:
    def check(value: object) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise RuleError("must be a JSON whole number")
        if not lowest <= value <= 2_147_483_647:
            raise RuleError(f"must be from {lowest} to 2147483647")

    return check


def _boolean(value: object) -> None:
    if not isinstance(value, bool):
        raise RuleError("must be true or false")


def _decimal(value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise RuleError("must be a JSON number")


def _base64(value: object) -> None:
    check_text(value)
    compact = _BASE64_GAPS.sub("", str(value))
    if len(compact) % 4 or not _BASE64.fullmatch(compact):
        raise RuleError("must be base64")


_uri = _pattern(r"\S+", "must be a URI: not empty, without spaces")

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "Boolean": _boolean,
        "Integer": _whole(-2_147_483_648),
        "UnsignedInt": _whole(0),
        "PositiveInt": _whole(1),
        "Decimal": _decimal,
        "String": check_text,
        "Markdown": check_text,
        "Xhtml": _pattern(r"(?s)\s*<(\w+:)?div.*", "must be an XHTML div"),
        "Code": _pattern(r"\S+(\s\S+)*", "must be a code: not empty, no outer or double spaces"),
        "Id": _pattern(r"[A-Za-z0-9\-.]{1,64}", "must be 1-64 letters, digits, '-' or '.'"),
        "Uri": _uri,
        "Url": _uri,
        "Canonical": _uri,
        "Oid": _pattern(r"urn:oid:[0-2](\.(0|[1-9]\d*))+", "must be an OID as urn:oid:…"),
        "Uuid": _pattern(
            r"(?i)urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "must be a UUID"
        ),
        "Base64Binary": _base64,
        "Date": _calendar(_DATE, "must be a date: YYYY, YYYY-MM or YYYY-MM-DD"),
        "DateTime": _calendar(
            f"{_DATE}|{_DAY}T{_CLOCK}{_ZONE}",
            "must be a date, or a date and time with seconds and a zone",
        ),
        "Instant": _calendar(
            f"{_DAY}T{_CLOCK}{_ZONE}", "must be a date and time with seconds and a zone"
        ),
        "Time": _pattern(_CLOCK, "must be a time of day: hh:mm:ss"),
    }
)
