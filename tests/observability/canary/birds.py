"""The values: one for each field that they are put into, such as no machine makes by chance.

Texts begin with a word that is none. Dates are of a century of which nobody has a record. Numbers
are long. What is searched for is not the value as it was, but every form that it may have taken on.
"""

from __future__ import annotations

import base64
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final
from urllib.parse import quote

WORD: Final = "Qzxcanary"
_CASES: Final = (WORD, WORD.lower(), WORD.upper())
_LETTERS: Final = string.ascii_lowercase + string.digits


@dataclass(slots=True)
class Flock:
    """Makes values, and remembers where each was put."""

    chance: Random
    texts: int = 0
    dates: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)
    fields: set[str] = field(default_factory=set)

    def text(self, place: str) -> str:
        """A word for *place*. It tells of none but is found by its beginning."""
        self.fields.add(place)
        self.texts += 1
        return WORD + "".join(self.chance.choices(_LETTERS, k=12))

    def number(self, place: str, digits: int = 14) -> int:
        """A number of so many digits."""
        self.fields.add(place)
        number = self.chance.randrange(10 ** (digits - 1), 10**digits)
        self.numbers[str(number)] = place
        return number

    def date(self, place: str) -> str:
        """A date of the 17th century, as `YYYY-MM-DD`."""
        self.fields.add(place)
        year, month, day = (self.chance.randint(*r) for r in ((1601, 1699), (1, 12), (1, 28)))
        date = f"{year}-{month:02}-{day:02}"
        self.dates[date] = place
        return date

    @property
    def count(self) -> int:
        """How many values there are."""
        return self.texts + len(self.dates) + len(self.numbers)

    def traces(self) -> Traces:
        """What to look for, as it is now."""
        return Traces(frozenset(self.dates), frozenset(self.numbers))


class Traces:
    """Finds values in what was written down, in every form that they may have taken on."""

    def __init__(self, dates: frozenset[str], numbers: frozenset[str]) -> None:
        self._dates = {form: "a date" for date in dates for form in _dates(*date.split("-"))}
        self._numbers = {form: name for number in numbers for form, name in _numbers(number)}

    def hits(self, content: bytes) -> list[str]:
        """The forms in which values are found in *content*."""
        lowered = content.lower()
        found = {form for needle, form in _NEEDLES.items() if needle in lowered}
        for pattern, known in ((_DATE, self._dates), (_NUMBER, self._numbers)):
            found.update(known[each] for each in pattern.findall(lowered) if each in known)
        return sorted(found)


def _forms(word: bytes) -> dict[bytes, str]:
    """A word as it is, and as encodings make it, wherever in their input it stood."""
    return {
        word: "plain",
        word.hex().encode(): "hexadecimal",
        "".join(f"\\u{byte:04x}" for byte in word).encode(): "JSON escapes",
        "".join(f"\\x{byte:02x}" for byte in word).encode(): "byte escapes",
        "".join(f"%{byte:02x}" for byte in word).encode(): "percent escapes",
        quote(word).encode(): "plain",
        ",".join(map(str, word)).encode(): "numbers of bytes",
        ", ".join(map(str, word)).encode(): "numbers of bytes",
        word.decode().encode("utf-16-le"): "UTF-16",
        **{_base64(word, before): "base64" for before in range(3)},
        **{_base64(word, before, b"-_"): "base64" for before in range(3)},
    }


def _base64(word: bytes, before: int, others: bytes = b"+/") -> bytes:
    """What of *word*'s base64 is the same whatever stands before and after it."""
    encoded = base64.b64encode(b"\0" * before + word, others).rstrip(b"=")
    first = (before * 8 + 5) // 6
    last = (before + len(word)) * 8 // 6
    return encoded[first:last]


_NEEDLES: Final = {
    needle.lower(): form for case in _CASES for needle, form in _forms(case.encode()).items()
}
_DATE: Final = re.compile(
    rb"16\d\d[-/]\d\d[-/]\d\d|\d\d/\d\d/16\d\d|\d\d\.\d\d\.16\d\d"
    rb"|\(16\d\d, \d+, \d+|year\"?: ?16\d\d"
)
_NUMBER: Final = re.compile(rb"\d{9,}(?:\.\d\d)?|\d{7,}\.\d\d(?!\d)")


def _dates(year: str, month: str, day: str) -> list[bytes]:
    return [
        form.encode()
        for form in (
            f"{year}-{month}-{day}",
            f"{year}/{month}/{day}",
            f"{month}/{day}/{year}",
            f"{day}.{month}.{year}",
            f"({year}, {int(month)}, {int(day)}",
            f"year: {year}",
            f'year": {year}',
            f'year":{year}',
        )
    ]


def _numbers(number: str) -> Iterator[tuple[bytes, str]]:
    yield number.encode(), "a number"
    yield f"{number}.00".encode(), "a number"
    yield f"{number[:-2]}.{number[-2:]}".encode(), "an amount"
