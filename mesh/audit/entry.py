"""One entry of a journal: a line of JSON that holds the hash of the line before it, and its own.

    {"kind": …, …, "sequence": 7, "prev": "<hash of entry 6>", "signature": "…", "hash": "…"}

`hash` is the SHA-256 of every byte of the line before `,"hash"`; `signature`, in entries that have
one, is over every byte before `,"signature"`. What follows the entry's own fields has fixed places,
so that no byte of a line can change unnoticed, not even in what JSON would call white space.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as _quoted
from math import modf
from typing import Any, Final, NamedTuple

FIRST: Final = "0" * 64
"""The hash before the first entry."""

OPENED: Final = "opened"
"""The first entry: whose journal it is. Signed."""
RESUMED: Final = "resumed"
"""The process began again, or could write again; what a write left unfinished is in it. Signed."""
ACCESS: Final = "access"
"""A call."""
WITHHELD: Final = "withheld"
"""A call whose record could not be written then, and which was not answered for that."""
CHECKPOINT: Final = "checkpoint"
"""What came before is as the signer knows it. Signed."""
CLOSED: Final = "closed"
"""The process ended in order. Signed; only RESUMED may follow."""

SIGNED: Final = frozenset({OPENED, RESUMED, CHECKPOINT, CLOSED})

CALL: Final = (
    "time",
    "caller",
    "subject",
    "method",
    "patients",
    "outcome",
    "reason",
    "trace",
)
"""The fields of the record of a call, after its kind, in their order. What follows them in a stream's is
more."""

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode
_decode = json.JSONDecoder().raw_decode
# To be copied: a new one would look for its algorithm every time.
_hashing: Final = hashlib.sha256()
_TAIL: Final = re.compile(
    rb',"sequence":(0|[1-9][0-9]{0,17}),"prev":"([0-9a-f]{64})"'
    rb'(?:,"signature":"((?:[0-9a-f]{2}){60,80})")?,"hash":"([0-9a-f]{64})"\}\Z'
)
# No line of a journal is as long; a torn one may be anything.
_HASHED: Final = len(b',"hash":"') + 64 + len(b'"}')


class EntryError(ValueError):
    """A line is no entry, or is not what it was."""


class Entry(NamedTuple):
    """An entry as it was read. *content* is what a signature is over."""

    sequence: int
    prev: str
    hash: str
    fields: Mapping[str, Any]
    content: bytes
    signature: bytes

    @property
    def kind(self) -> str:
        """What kind of entry it is."""
        return str(self.fields.get("kind", ""))


def body(fields: Mapping[str, Any]) -> bytes:
    """The entry's own fields, ready to be given a place in a journal."""
    return _encode(fields).encode()


def call(kind: str, fields: Mapping[str, Any]) -> bytes:
    """The same of the record of a call, of which there are many. *kind* is not among the fields."""
    if tuple(fields) == CALL:
        return _call(kind, *fields.values())
    return body({"kind": kind, **fields})


def _call(
    kind: str,
    time: str,
    caller: str,
    subject: str,
    method: str,
    patients: Sequence[str],
    outcome: str,
    reason: str,
    trace: str,
) -> bytes:
    """What `_encode` would make of it."""
    named = ",".join(map(_quoted, patients))
    return (
        f'{{"kind":{_quoted(kind)},"time":{_quoted(time)},"caller":{_quoted(caller)}'
        f',"subject":{_quoted(subject)},"method":{_quoted(method)},"patients":[{named}]'
        f',"outcome":{_quoted(outcome)},"reason":{_quoted(reason)},"trace":{_quoted(trace)}}}'
    ).encode()


def placed(own: bytes, sequence: int, prev: str) -> bytes:
    """The fields with their place: what is signed, or sealed."""
    return b'%b,"sequence":%d,"prev":"%b"' % (own[:-1], sequence, prev.encode())


def signed(content: bytes, signature: bytes) -> bytes:
    """The content with its signature."""
    return b'%b,"signature":"%b"' % (content, signature.hex().encode())


def sealed(content: bytes) -> tuple[bytes, str]:
    """The line, with its end, and its hash."""
    digest = _digest(content)
    return b'%b,"hash":"%b"}\n' % (content, digest.encode()), digest


def _digest(content: bytes) -> str:
    hashing = _hashing.copy()
    hashing.update(content)
    return hashing.hexdigest()


def stamp(at: datetime) -> str:
    """The instant as journals write it, such as `2026-05-01T12:00:00.000000Z`."""
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


class Moments:
    """The instants that `stamp` wrote, many of which are of the same second."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = ("", 0)

    def of(self, text: str) -> tuple[int, int]:
        """Unix seconds, and the nanoseconds after them; ValueError."""
        last, second = self._last
        if text[:19] != last:
            last = text[:19]
            second = int(datetime.fromisoformat(f"{last}+00:00").timestamp())
            self._last = last, second
        return second, int(text[20:26]) * 1000


class Stamps:
    """`stamp` for Unix seconds, many of which are of the same second."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = (0, "1970-01-01T00:00:00")

    def of(self, seconds: float) -> str:
        """As `stamp` writes what `datetime.fromtimestamp` makes of them: to the nearest microsecond."""
        rest, whole = modf(seconds)
        micros, second = round(rest * 1e6), int(whole)
        if micros == 1_000_000:
            micros, second = 0, second + 1
        last, text = self._last
        if second != last:
            text = datetime.fromtimestamp(second, UTC).isoformat()[:19]
            self._last = second, text
        return f"{text}.{micros:06}Z"


def read(line: bytes) -> Entry:
    """The entry in *line*, which has no line end; EntryError."""
    tail = _TAIL.search(line)
    if tail is None:
        raise EntryError("it is no entry")
    if _digest(line[:-_HASHED]).encode() != tail[4]:
        raise EntryError("its hash is not that of its content")
    try:
        fields, end = _decode(line.decode("ascii"))
    except ValueError:
        raise EntryError("it is no JSON") from None
    if end != len(line) or not isinstance(fields, dict):
        raise EntryError("it is not one object")
    return Entry(
        sequence=int(tail[1]),
        prev=tail[2].decode(),
        hash=tail[4].decode(),
        fields=fields,
        content=line[: tail.start(3) - len(',"signature":"')] if tail[3] else b"",
        signature=bytes.fromhex(tail[3].decode()) if tail[3] else b"",
    )
