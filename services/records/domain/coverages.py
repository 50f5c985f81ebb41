"""Coverages: which are told several times over, which are in force, which come first."""

from collections.abc import Iterable, Sequence
from typing import Final

from plexus.records.v1.coverage_pb2 import Coverage
from plexus.type.v1.date_pb2 import Date

Day = tuple[int, int, int]

_ACTIVE: Final = "active"
_STATED: Final = ("member_id", "plan", "relationship", "start_date", "end_date")


def distinct(told: Sequence[Coverage]) -> list[Coverage]:
    """*told*, newest first, without what only repeats another.

    An explanation of benefits contains the coverage it was settled under, each time anew. Those with
    one id are one coverage, told best by the newest that names a member number. One that says
    nothing which another coverage of the same payer does not say as well is left out.
    """
    by_id: dict[str, Coverage] = {}
    for coverage in told:
        known = by_id.setdefault(coverage.id, coverage)
        if coverage.member_id and not known.member_id:
            by_id[coverage.id] = coverage
    kept = list(by_id.values())
    return [one for one in kept if not any(_repeats(one, other) for other in kept)]


def in_force(coverages: Iterable[Coverage], day: Date) -> list[Coverage]:
    """Those that are active and cover *day*, or a part of it where *day* is only a month or year."""
    return [one for one in coverages if one.status == _ACTIVE and _covers(one, day)]


def in_order(coverages: Iterable[Coverage], day: Date) -> list[Coverage]:
    """Those in force on *day* first; otherwise in the order given."""
    return sorted(coverages, key=lambda one: not (one.status == _ACTIVE and _covers(one, day)))


def _repeats(one: Coverage, other: Coverage) -> bool:
    if one.id == other.id or one.status != other.status or not _same_payer(one, other):
        return False
    said = [(_value(one, name), _value(other, name)) for name in _STATED]
    if any(mine and mine != theirs for mine, theirs in said):
        return False
    # Of two that say the same, the one with the lower id stays.
    return any(theirs and not mine for mine, theirs in said) or one.id > other.id


def _same_payer(one: Coverage, other: Coverage) -> bool:
    return bool(one.payer) and one.payer.casefold() == other.payer.casefold()


def _value(coverage: Coverage, name: str) -> str | Day:
    value = getattr(coverage, name)
    return value if isinstance(value, str) else _earliest(value) if value.year else ""


def _covers(coverage: Coverage, day: Date) -> bool:
    begun = not coverage.start_date.year or _earliest(coverage.start_date) <= _latest(day)
    return begun and (not coverage.end_date.year or _earliest(day) <= _latest(coverage.end_date))


def _earliest(day: Date) -> Day:
    return day.year, day.month or 1, day.day or 1


def _latest(day: Date) -> Day:
    return day.year, day.month or 12, day.day or 31
