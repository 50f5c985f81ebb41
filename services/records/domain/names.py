"""Names as they are searched for: without case, accents and what is written between letters."""

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

# Letters that Unicode does not take apart into a plain one and a mark.
_PLAIN: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h"}
)
_APOSTROPHES: Final = "'’‘ʼ`´"
_LONGEST: Final = 200


def fold(text: str) -> str:
    """*text* in the form that names are compared in: `Mejía-O’Néill` is `mejia oneill`."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(c for c in apart if not unicodedata.combining(c) and c not in _APOSTROPHES)
    letters = bare.translate(_PLAIN)
    return " ".join("".join(c if c.isalnum() else " " for c in letters).split())[:_LONGEST]


def search_terms(names: Iterable[tuple[str, Iterable[str], str]]) -> frozenset[str]:
    """Everything a person with *names*, each (family, given, text), is found by the beginning of."""
    terms = {term for name in names for term in _terms(*name)}
    return frozenset(term for term in terms if term)


def _terms(family: str, given: Iterable[str], text: str) -> Iterator[str]:
    last = fold(family)
    first = [fold(name) for name in given]
    together = " ".join(first)
    for whole in (last, *first, fold(text)):
        yield whole
        words = whole.split()
        # `Garcia Marquez` is found by `marquez` too.
        yield from words[1:]
    if last and together:
        yield f"{together} {last}"[:_LONGEST]
        yield f"{last} {together}"[:_LONGEST]
        # The middle names left out.
        yield f"{first[0]} {last}"[:_LONGEST]


def after_all(prefix: str) -> str:
    """The first text that comes after everything that begins with *prefix*, by code point."""
    last = ord(prefix[-1])
    # The surrogates are no characters, and no store can keep one.
    following = 0xE000 if last == 0xD7FF else last + 1
    return prefix[:-1] + chr(following)
