"""Where journals lie: `<folder>/<service>/<replica>/<number>-<journal id>/<first sequence>.jsonl`.

A replica goes on with the journal of the highest number. It begins another when there is none, or when
the end of that one is not what a journal can end with.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mesh.audit.entry import Entry, EntryError, read

_JOURNAL: Final = re.compile(r"([0-9]{4})-(jnl_[a-z0-9]{8,40})")
_FILE: Final = re.compile(r"[0-9]{12}\.jsonl")
_CHUNK: Final = 256 * 1024
LOCK: Final = "lock"


class Damaged(Exception):
    """The end of a journal is neither an entry nor a write that was left unfinished."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of a journal. *torn* is what follows the last entry: a write that was left unfinished."""

    last: Entry | None
    torn: bytes


def folder_name(number: int, journal_id: str) -> str:
    """The name of a journal's folder."""
    return f"{number:04}-{journal_id}"


def file_name(first: int) -> str:
    """The name of the file whose first entry has that sequence."""
    return f"{first:012}.jsonl"


def first_of(name: str) -> int | None:
    """The sequence of the first entry of the file of that name; None when it is no journal's file."""
    return int(name.partition(".")[0]) if _FILE.fullmatch(name) else None


def id_of(name: str) -> str:
    """The id of the journal in the folder of that name; empty when it is no journal's folder."""
    found = _JOURNAL.fullmatch(name)
    return found[2] if found else ""


def number_of(name: str) -> int:
    """The number of the journal in the folder of that name; 0 when it is no journal's folder."""
    found = _JOURNAL.fullmatch(name)
    return int(found[1]) if found else 0


def journals(replica: Path) -> list[Path]:
    """The journals of a replica, the oldest first."""
    if not replica.is_dir():
        return []
    return sorted(each for each in replica.iterdir() if id_of(each.name))


def segments(journal: Path) -> list[Path]:
    """The files of a journal, in order."""
    return sorted(each for each in journal.iterdir() if first_of(each.name) is not None)


def replicas(folder: Path) -> Iterator[Path]:
    """The folder of each replica that keeps, or kept, journals."""
    for service in _folders(folder):
        yield from _folders(service)


def end(journal: Path) -> End:
    """The end of a journal; Damaged."""
    found = segments(journal)
    last = _end(*_last_bytes(found[-1], _CHUNK)) if found else End(None, b"")
    if last.last is None and len(found) > 1:
        return End(_end(*_last_bytes(found[-2], _CHUNK)).last, last.torn)
    return last


def end_of(texts: Sequence[bytes]) -> End:
    """The end of the journal that has these files; Damaged."""
    last = _end(texts[-1], True) if texts else End(None, b"")
    if last.last is None and len(texts) > 1:
        return End(_end(texts[-2], True).last, last.torn)
    return last


def _end(text: bytes, begins: bool) -> End:
    lines = text.split(b"\n")
    # The first is whole only at the beginning of the file.
    whole, open_end = lines[:-1] if begins else lines[1:-1], lines[-1]
    if not whole:
        return End(None, open_end)
    try:
        return End(read(whole[-1]), open_end)
    except EntryError:
        torn = whole[-1] + b"\n" + open_end
    # A process that was killed again before it could say that it had found an unfinished write.
    if open_end:
        raise Damaged
    try:
        return End(read(whole[-2]) if len(whole) > 1 else None, torn)
    except EntryError:
        raise Damaged from None


def _last_bytes(path: Path, size: int) -> tuple[bytes, bool]:
    """The last bytes of a file, at least two lines of them, and whether that is all of it."""
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        start = max(0, length - size)
        file.seek(start)
        text = file.read()
    if start and text.count(b"\n") <= 3:
        return _last_bytes(path, size * 4)
    return text, not start


def _folders(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(each for each in path.iterdir() if each.is_dir())
