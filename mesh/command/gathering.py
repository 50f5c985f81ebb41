"""The lines of many processes as one: what they wrote so far, and what they write from now on."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from observability.lines import parse

Event = dict[str, Any]
Wanted = Callable[[Event], bool]
"""Whether a line is asked for."""


class Logs:
    """Every log in a folder, those of processes that are yet to come too."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tails: dict[str, _Tail] = {}

    def look(self, wanted: Wanted, most: int | None = None) -> list[Event]:
        """The wanted lines since the last look, *most* of each process, in the order of time."""
        for name, file in files_of(self._folder).items():
            if name not in self._tails:
                self._tails[name] = _Tail(file)
        found: list[_Line] = []
        for tail in self._tails.values():
            found += deque((line for line in tail.read() if wanted(line.event)), maxlen=most)
        # Stable: lines of one process stay in the order in which it wrote them.
        return [line.event for line in sorted(found, key=lambda line: line.time)]


def files_of(folder: Path) -> dict[str, Path]:
    """The log of each process that has ever run, by its name."""
    return {file.stem: file for file in sorted(folder.glob("*.log"))}


class _Line(NamedTuple):
    """A line, and where it stands among those of all processes."""

    time: str
    event: Event


class _Tail:
    """One process's log, from its beginning on."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._inode = 0
        self._position = 0
        self._unfinished = b""
        self._time = ""

    def read(self) -> Iterator[_Line]:
        """The lines that were finished since."""
        for raw in self._raw():
            event = parse(raw.decode("utf-8", errors="replace"), self._file.stem)
            # What carries no time was written after the line before it.
            self._time = str(event.get("timestamp") or self._time)
            yield _Line(self._time, event)

    def _raw(self) -> Iterator[bytes]:
        try:
            opened = self._file.open("rb")
        except FileNotFoundError:
            return
        with opened:
            found = os.fstat(opened.fileno())
            if found.st_ino != self._inode or found.st_size < self._position:
                # A log that has grown large is put aside, and begun anew.
                yield from self._put_aside()
                self._inode, self._position, self._unfinished = found.st_ino, 0, b""
            opened.seek(self._position)
            yield from self._lines(opened.read())

    def _put_aside(self) -> Iterator[bytes]:
        """What was put aside since the last look; at the first look, all of it."""
        older = self._file.with_suffix(".log.1")
        with suppress(FileNotFoundError), older.open("rb") as opened:
            opened.seek(self._position)
            yield from self._lines(opened.read())

    def _lines(self, new: bytes) -> Iterator[bytes]:
        self._position += len(new)
        *whole, self._unfinished = (self._unfinished + new).split(b"\n")
        yield from whole
