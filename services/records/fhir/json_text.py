"""JSON as FHIR needs it: decimals keep their digits, a name stands once, and the text of a resource
can be cut out of its bundle unchanged."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal

from services.records.fhir.checks import JsonObject, RepeatedName

_TOKENS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[^"\s]+')
_SPACE = re.compile(r"[ \t\r\n]*")


class JsonError(ValueError):
    """The text is not JSON. Its message tells what and where, and quotes nothing."""


def _object(pairs: list[tuple[str, object]]) -> JsonObject:
    found = dict(pairs)
    return found if len(found) == len(pairs) else RepeatedName(found)


def _refuse(_constant: str) -> None:
    raise ValueError


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=Decimal, parse_constant=_refuse)


def compact(text: str) -> bytes:
    """JSON text without the space between its tokens, every token left exactly as it was."""
    return "".join(_TOKENS.findall(text)).encode()


def decode_text(data: bytes) -> str:
    """Raises JsonError if the bytes are not UTF-8. A byte order mark is dropped."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise JsonError("is not UTF-8") from None


def decode(text: str) -> object:
    """The one JSON value that `text` holds. Raises JsonError."""
    cursor = Cursor(text)
    value = cursor.value()
    cursor.finish()
    return value


class Cursor:
    """Walks JSON text where the places of its parts matter. Every method raises JsonError."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def value(self) -> object:
        """Decodes the value that begins here and moves behind it."""
        self._skip_space()
        try:
            found: object
            found, self.at = _DECODER.raw_decode(self.text, self.at)
            return found
        except json.JSONDecodeError as error:
            raise self._malformed(error.msg, error.pos) from None
        except RecursionError:
            raise JsonError("is nested too deeply") from None
        except ValueError:  # NaN, Infinity, or a number of thousands of digits
            raise JsonError("holds a number that JSON does not have") from None

    def begin(self) -> int:
        """Moves to where the next value begins, and tells where that is."""
        self._skip_space()
        return self.at

    def opens(self, bracket: str) -> bool:
        """Whether the value that begins here is an object or a list."""
        self._skip_space()
        return self.text.startswith(bracket, self.at)

    def members(self) -> Iterator[str]:
        """The names of the object that begins here; the caller reads the value of each in turn."""
        for _ in self._parts("{", "}"):
            name = self.value()
            if not isinstance(name, str):
                raise self._malformed("Expecting property name", self.at)
            self._take(":")
            yield name

    def items(self) -> Iterator[int]:
        """The positions of the list that begins here; the caller reads each value in turn."""
        yield from self._parts("[", "]")

    def finish(self) -> None:
        """Checks that nothing follows."""
        self._skip_space()
        if self.at != len(self.text):
            raise self._malformed("Extra data", self.at)

    def _parts(self, opening: str, closing: str) -> Iterator[int]:
        self._take(opening)
        if self.opens(closing):
            self.at += 1
            return
        count = 0
        while True:
            yield count
            count += 1
            if self.opens(closing):
                self.at += 1
                return
            self._take(",")

    def _take(self, char: str) -> None:
        if not self.opens(char):
            raise self._malformed(f"Expecting '{char}'", self.at)
        self.at += 1

    def _skip_space(self) -> None:
        if found := _SPACE.match(self.text, self.at):
            self.at = found.end()

    def _malformed(self, what: str, at: int) -> JsonError:
        line = self.text.count("\n", 0, at) + 1
        column = at - self.text.rfind("\n", 0, at)
        return JsonError(f"is not JSON: {what.lower()} (line {line}, column {column})")
