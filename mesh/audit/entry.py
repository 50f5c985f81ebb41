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
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

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

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode
_TAIL: Final = re.compile(
    rb',"sequence":(0|[1-9][0-9]{0,17}),"prev":"([0-9a-f]{64})"'
    rb'(?:,"signature":"((?:[0-9a-f]{2}){60,80})")?,"hash":"([0-9a-f]{64})"\}\Z'
)
# No line of a journal is as long; a torn one may be anything.
_HASHED: Final = len(b',"hash":"') + 64 + len(b'"}')


class EntryError(ValueError):
    """A line is no entry, or is not what it was."""


@dataclass(frozen=True, slots=True)
class Entry:
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


def placed(own: bytes, sequence: int, prev: str) -> bytes:
    """The fields with their place: what is signed, or sealed."""
    return b'%b,"sequence":%d,"prev":"%b"' % (own[:-1], sequence, prev.encode())


def signed(content: bytes, signature: bytes) -> bytes:
    """The content with its signature."""
    return b'%b,"signature":"%b"' % (content, signature.hex().encode())


def sealed(content: bytes) -> tuple[bytes, str]:
    """The line, with its end, and its hash."""
    digest = hashlib.sha256(content).hexdigest()
    return b'%b,"hash":"%b"}\n' % (content, digest.encode()), digest


def stamp(at: datetime) -> str:
    """The instant as journals write it, such as `2026-05-01T12:00:00.000000Z`."""
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def read(line: bytes) -> Entry:
    """The entry in *line*, which has no line end; EntryError."""
    tail = _TAIL.search(line)
    if tail is None:
        raise EntryError("it is no entry")
    if hashlib.sha256(line[:-_HASHED]).hexdigest().encode() != tail[4]:
        raise EntryError("its hash is not that of its content")
    try:
        fields = json.loads(line)
    except ValueError:
        raise EntryError("it is no JSON") from None
    return Entry(
        sequence=int(tail[1]),
        prev=tail[2].decode(),
        hash=tail[4].decode(),
        fields=fields,
        content=line[: tail.start(3) - len(',"signature":"')] if tail[3] else b"",
        signature=bytes.fromhex(tail[3].decode()) if tail[3] else b"",
    )
