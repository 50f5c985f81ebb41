"""Examines one journal, from its files as bytes: every byte of them has to be as it was written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from mesh.audit import entry as entries
from mesh.audit.anchors import Anchor
from mesh.audit.entry import Entry, EntryError
from mesh.audit.files import first_of, id_of
from mesh.audit.seal import SealError, check, owner
from mesh.audit.verdict import Broken, Kind, Verdict

Content = Sequence[tuple[str, bytes]]
"""The files of a journal, by name, in order."""

_UNSIGNED: Final = frozenset({entries.ACCESS, entries.WITHHELD})


def examine(
    place: tuple[str, str, str],
    content: Content,
    *,
    root: bytes,
    anchor: Anchor | None,
    live: bool = False,
) -> Verdict:
    """What can be said of the journal at *place*: its service, replica and folder name.

    *root* is the certificate of the authority, *anchor* what the control plane knows of its end.
    *live*: somebody writes it just now, so the last line may be on its way.
    """
    verdict = Verdict(*place, files=len(content))
    try:
        _Examination(verdict, content, root, anchor, live).run()
    except Broken as broken:
        verdict.finding = broken.finding
    return verdict


class _Examination:
    """One walk along one journal."""

    def __init__(
        self, verdict: Verdict, content: Content, root: bytes, anchor: Anchor | None, live: bool
    ) -> None:
        self._verdict = verdict
        self._content = content
        self._root = root
        self._anchor = anchor
        self._live = live
        self._sequence = 0
        self._hash = entries.FIRST
        self._last_kind = ""
        self._garbage = b""
        self._garbage_at = ""
        self._certificates: dict[str, str] = {}
        self._anchored_hash = ""
        self._vouched = 0

    def run(self) -> None:
        """Walk to the end; Broken."""
        torn = b""
        for number, (name, text) in enumerate(self._content, 1):
            self._enter(name)
            *lines, torn = text.split(b"\n")
            for line_number, line in enumerate(lines, 1):
                self._line(line, f"{name}:{line_number}")
            if torn and number < len(self._content):
                self._break(Kind.EDITED, f"{name}:{len(lines) + 1}", "its last line has no end")
        self._end(torn)

    def _enter(self, name: str) -> None:
        first = first_of(name)
        self._certificates = {}
        if first is None:
            self._break(Kind.INSERTED, name, "it is no file of a journal")
        elif first > self._sequence + 1:
            missing = f"{self._sequence + 1} to {first - 1}"
            self._break(Kind.DELETED, name, f"the file with entries {missing} is not there")
        elif first <= self._sequence:
            self._break(Kind.INSERTED, name, f"entry {first} was before it already")

    def _line(self, line: bytes, where: str) -> None:
        try:
            found = entries.read(line)
        except EntryError as error:
            if self._garbage:
                self._break(Kind.EDITED, self._garbage_at, str(error))
            # It may be a write that was left unfinished: then the next entry says so.
            self._garbage, self._garbage_at = line + b"\n", where
            return
        if self._garbage:
            self._explain(found)
        self._follow(found, where)
        self._read(found, where)

    def _explain(self, found: Entry) -> None:
        torn = found.fields.get("torn")
        stated = torn if found.kind == entries.RESUMED and isinstance(torn, dict) else {}
        if stated.get("sha256") != hashlib.sha256(self._garbage).hexdigest():
            self._break(
                Kind.EDITED, self._garbage_at, "it is no entry, or its content is not its own"
            )
        self._verdict.notes.append(
            f"{self._garbage_at}: {len(self._garbage)} bytes of a write that the end of the process "
            "left unfinished; nobody was answered"
        )
        self._garbage = b""

    def _follow(self, found: Entry, where: str) -> None:
        expected = self._sequence + 1
        if found.sequence < expected:
            self._break(
                Kind.INSERTED, where, f"entry {found.sequence} stands after {self._sequence}"
            )
        if found.sequence > expected:
            if any(each.sequence == expected for each in self._later(where)):
                self._break(
                    Kind.REORDERED, where, f"entry {expected} stands after {found.sequence}"
                )
            missing = f"{expected} to {found.sequence - 1}"
            self._break(Kind.DELETED, where, f"entries {missing} are not there")
        if found.prev != self._hash:
            what = f"entry {self._sequence} is not the one that this one was written after"
            self._break(Kind.REPLACED, where, what)
        if self._last_kind == entries.CLOSED and found.kind != entries.RESUMED:
            self._break(Kind.INSERTED, where, "it stands after the journal was closed")

    def _later(self, where: str) -> Iterator[Entry]:
        """What can be read behind a place."""
        name, _, line = where.rpartition(":")
        names = [each for each, _ in self._content]
        for index in range(names.index(name), len(names)):
            lines = self._content[index][1].split(b"\n")
            for text in lines[int(line) if names[index] == name else 0 :]:
                try:
                    yield entries.read(text)
                except EntryError:
                    continue

    def _read(self, found: Entry, where: str) -> None:
        self._sequence, self._hash, self._last_kind = found.sequence, found.hash, found.kind
        verdict = self._verdict
        verdict.entries += 1
        time = str(found.fields.get("time", ""))
        verdict.first = verdict.first or time
        verdict.last = time or verdict.last
        if found.sequence == 1:
            self._opening(found, where)
        if found.kind in entries.SIGNED:
            self._signature(found, where)
            verdict.checkpoints += 1
            verdict.anchors = max(verdict.anchors, int(found.fields.get("anchors", 0)))
            self._vouched = found.sequence
        elif found.kind in _UNSIGNED:
            verdict.accesses += 1
        else:
            self._break(Kind.INSERTED, where, "there is no entry of that kind")
        if self._anchor is not None and found.sequence == self._anchor.sequence:
            self._anchored_hash = found.hash
            self._vouched = found.sequence

    def _opening(self, found: Entry, where: str) -> None:
        verdict = self._verdict
        stated = tuple(found.fields.get(name) for name in ("service", "replica", "journal"))
        if found.kind != entries.OPENED or stated != (
            verdict.service,
            verdict.replica,
            id_of(verdict.journal),
        ):
            self._break(Kind.REPLACED, where, "it does not begin as this journal does")

    def _signature(self, found: Entry, where: str) -> None:
        name = str(found.fields.get("key", ""))
        try:
            if "certificate" in found.fields:
                certificate = str(found.fields["certificate"])
                workload, own_name = owner(certificate, self._root)
                if workload != self._verdict.service or own_name != name:
                    raise SealError(f"its certificate is not one of {self._verdict.service}")
                self._certificates[name] = certificate
            if name not in self._certificates:
                raise SealError("its certificate is not there")
            check(self._certificates[name], found.content, found.signature)
        except SealError as error:
            self._break(Kind.FORGED, where, str(error))

    def _end(self, torn: bytes) -> None:
        if self._garbage and not (self._live and not torn):
            self._break(
                Kind.EDITED, self._garbage_at, "it is no entry, or its content is not its own"
            )
        self._anchored()
        verdict = self._verdict
        if torn and not self._live:
            if self._last_kind == entries.CLOSED:
                self._break(
                    Kind.INSERTED, verdict.journal, "bytes stand after the journal was closed"
                )
            verdict.notes.append(
                f"{len(torn)} bytes of a write that the end of the process left unfinished"
            )
        loose = self._sequence - self._vouched
        if loose and not self._live:
            verdict.notes.append(
                f"the last {loose} entries were written in the second in which the process ended, and "
                "nobody vouches for them"
            )

    def _anchored(self) -> None:
        anchor, verdict = self._anchor, self._verdict
        if anchor is None:
            if not verdict.entries:
                verdict.notes.append("it was never opened")
            else:
                verdict.notes.append("the control plane was never told of it")
            return
        if self._sequence < anchor.sequence:
            self._break(
                Kind.TRUNCATED,
                verdict.journal,
                f"it ends with entry {self._sequence}, and went on to {anchor.sequence} at least",
            )
        if self._anchored_hash != anchor.hash:
            self._break(
                Kind.REPLACED,
                verdict.journal,
                f"entry {anchor.sequence} is not the one that the control plane was told of",
            )

    def _break(self, kind: Kind, where: str, what: str) -> None:
        verdict = self._verdict
        raise Broken(
            kind, verdict.name if where == verdict.journal else f"{verdict.name}/{where}", what
        )
