"""Reads a journal from any entry on, while it is being written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mesh.audit.entry import Entry, EntryError, read
from mesh.audit.files import first_of, segments


class Reader:
    """Goes along one journal. What is asked for in order is read once."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._file: Path | None = None
        self._offset = 0
        self._sequence = 0

    def after(self, sequence: int, until: int | None = None) -> Iterator[Entry]:
        """The whole entries after *sequence*, up to *until* or to the end there is now."""
        if sequence != self._sequence:
            self._file = None
        files = segments(self._journal)
        for number, path in enumerate(files):
            following = files[number + 1 :]
            if following and (first_of(following[0].name) or 0) <= sequence + 1:
                continue
            yield from self._of(path, sequence, until)

    def _of(self, path: Path, sequence: int, until: int | None) -> Iterator[Entry]:
        if path != self._file:
            self._file, self._offset = path, 0
        with path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                try:
                    entry = read(line[:-1])
                except EntryError:
                    # A write that was left unfinished: the next entry says so. Or worse: `verify` does.
                    self._offset += len(line)
                    continue
                if until is not None and entry.sequence > until:
                    return
                self._offset += len(line)
                self._sequence = entry.sequence
                if entry.sequence > sequence:
                    yield entry
