"""Puts together what of a journal is on the disk and what is in its tail, in memory.

Whoever finds the journals of a replica that nobody writes brings the tail to the disk first, byte for
byte: the replica itself when it begins again, or, when it does not, a sibling or the runtime (`settle`).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mesh.audit import entry, files, tail
from mesh.audit.files import End
from mesh.audit.lock import held
from mesh.audit.segment import Segment

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Joined:
    """What a tail is to the end of a journal.

    *rest* is what the disk lacks, with so many whole *entries*; *stray* is what cannot follow it.
    """

    rest: bytes = b""
    entries: int = 0
    stray: bytes = b""

    def told(self) -> dict[str, object]:
        """The stray bytes as an entry tells of them."""
        return {"bytes": len(self.stray), "sha256": hashlib.sha256(self.stray).hexdigest()}


def join(end: End, parts: Sequence[bytes]) -> Joined:
    """What *parts*, the halves of a tail, add to a journal that ends with *end*.

    A line without an end is a write that was left unfinished, and belongs to the rest.
    """
    ordered: list[bytes] = sorted(parts, key=_first)
    text = b"".join(ordered)
    sequence, digest = (end.last.sequence, end.last.hash) if end.last else (0, entry.FIRST)
    lines = text.split(b"\n")[:-1]
    known = _known(lines, sequence, digest)
    if known is None:
        return Joined(stray=text)
    begin = at = sum(len(line) + 1 for line in lines[:known])
    entries = 0
    for line in lines[known:]:
        found = _read(line)
        if found is None or (found.sequence, found.prev) != (sequence + 1, digest):
            break
        sequence, digest = found.sequence, found.hash
        at += len(line) + 1
        entries += 1
    whole = entries == len(lines) - known
    rest, stray = (text[begin:], b"") if whole else (text[begin:at], text[at:])
    if not rest.startswith(end.torn):
        # The disk ends with something else than the beginning of what follows.
        return Joined(stray=text[begin:]) if rest else Joined(stray=stray)
    return Joined(rest[len(end.torn) :], entries, stray)


def recollect(replica: Path) -> Joined:
    """Bring to the disk what the tail of a replica's newest journal has and the disk lacks; OSError.

    Then the tail is removed, unless something in it is stray. Whoever calls holds the replica's lock.
    """
    parts = tail.read(replica)
    joined = _joined(replica, parts) if parts else Joined()
    if joined.rest:
        segment = Segment.open(files.segments(files.journals(replica)[-1])[-1])
        try:
            segment.add(joined.rest)
        finally:
            segment.close()
        _log.info(
            "audit_tail_recovered", extra={"replica": replica.name, "entries": joined.entries}
        )
    if joined.stray:
        _log.error("audit_tail_stray", extra={"replica": replica.name, "bytes": len(joined.stray)})
    else:
        tail.remove(replica)
    return joined


def settle(replica: Path) -> bool:
    """Bring to the disk what a process that is gone left in memory; whether nobody writes there now.

    What does not continue the journal is left where it is, for the replica to tell of. OSError.
    """
    with held(replica, alone=True) as free:
        if free:
            recollect(replica)
    return free


def settle_all(folder: Path) -> None:
    """Do so for every replica below *folder*. What cannot be written is told, and stays in memory."""
    for replica in files.replicas(folder):
        try:
            settle(replica)
        except OSError as error:
            _log.error(
                "audit_tail_not_settled", extra={"replica": replica.name, "cause": error.strerror}
            )


def _joined(replica: Path, parts: Sequence[bytes]) -> Joined:
    found = files.journals(replica)
    try:
        if not found or not files.segments(found[-1]):
            return Joined(stray=b"".join(parts))
        return join(files.end(found[-1]), parts)
    except files.Damaged:
        return Joined(stray=b"".join(parts))


def _known(lines: Sequence[bytes], sequence: int, digest: str) -> int | None:
    """How many lines are on the disk, which ends with that entry; None when the rest cannot follow it.

    What is in a tail is newer than the disk, or ends where that does.
    """
    for number, line in enumerate(lines):
        found = _read(line)
        if found is None:
            return None
        if found.sequence == sequence:
            return number + 1 if found.hash == digest else None
        if found.sequence > sequence:
            return number
    return None if lines else 0


def _first(part: bytes) -> int:
    found = _read(part.partition(b"\n")[0])
    # What cannot be read was being written: it comes last.
    return found.sequence if found else 1 << 62


def _read(line: bytes) -> entry.Entry | None:
    try:
        return entry.read(line)
    except entry.EntryError:
        return None
