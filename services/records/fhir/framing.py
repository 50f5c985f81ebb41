"""From a stream of byte chunks to documents: one JSON document, or one for each line."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from services.records.fhir.json_text import JsonError, decode, decode_text

LARGEST_DOCUMENT = 32 * 1024 * 1024  # bytes; a bundle is held in memory whole


class Form(Enum):
    """What the bytes are. DETECTED decides by the first two lines that are not blank."""

    DETECTED = "detected"
    DOCUMENT = "document"
    NDJSON = "ndjson"


@dataclass(frozen=True, slots=True)
class Framed:
    """One document, and the words that lead to it in an error. `data` is None if too large."""

    prefix: str
    data: bytes | None


def frame(chunks: Iterable[bytes], form: Form, limit: int = LARGEST_DOCUMENT) -> Iterator[Framed]:
    """Cuts a stream into documents; holds no more of NDJSON than one line."""
    lines = _lines(chunks, limit)
    head: list[bytes | None] = []
    if form is Form.DETECTED:
        head = _head(lines)
        form = Form.NDJSON if _is_ndjson([line for line in head if _filled(line)]) else form
    if form is Form.NDJSON:
        yield from _each_line(head, lines)
    else:
        yield from _whole(head, lines, limit)


def _each_line(head: list[bytes | None], lines: Iterator[bytes | None]) -> Iterator[Framed]:
    number = 0
    for source in (head, lines):
        for line in source:
            number += 1
            if _filled(line):
                yield Framed(f"line {number}: ", line)


def _whole(head: list[bytes | None], lines: Iterator[bytes | None], limit: int) -> Iterator[Framed]:
    parts: list[bytes] = []
    size = 0
    for source in (head, lines):
        for line in source:
            size += limit + 1 if line is None else len(line) + 1
            if size > limit + 1:
                yield Framed("", None)
                return
            parts.append(line or b"")
    if any(map(_filled, parts)):
        yield Framed("", b"\n".join(parts))


def _filled(line: bytes | None) -> bool:
    return line is None or bool(line.strip(b" \t\r\n\xef\xbb\xbf"))


def _head(lines: Iterator[bytes | None]) -> list[bytes | None]:
    """Everything up to the second line that is not blank."""
    head: list[bytes | None] = []
    filled = 0
    for line in lines:
        head.append(line)
        filled += _filled(line)
        if filled == 2:
            break
    return head


def _is_ndjson(filled: list[bytes | None]) -> bool:
    if len(filled) < 2:
        return False
    first, second = ((line or b"").strip() for line in filled)
    if first.endswith((b"{", b"[", b",", b":")):
        return False
    # After anything else an indented document goes on with a comma or a bracket, never with "{".
    return second.startswith(b"{") or _complete(first)


def _complete(line: bytes) -> bool:
    try:
        return isinstance(decode(decode_text(line)), dict)
    except JsonError:
        return False


def _lines(chunks: Iterable[bytes], limit: int) -> Iterator[bytes | None]:
    """The lines of the stream; None for one longer than `limit`, which is passed over."""
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            yield b"".join((*parts, end)) if size + len(end) <= limit else None
            parts, size = [], 0
        size += len(rest)
        if size <= limit:
            parts.append(rest)
        else:
            parts.clear()
    if size:
        yield b"".join(parts) if size <= limit else None
