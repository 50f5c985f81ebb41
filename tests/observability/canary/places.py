"""Everywhere that something may have been written down: collected, and searched."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.observability.canary.birds import Traces

# Where patients' data belongs: the services' own databases and what SQLite keeps beside them, on
# whichever disk they are. Nothing else is left out.
HOMES_OF_DATA: Final = tuple(
    f"{folder}/{name}"
    for folder in ("data", "disks/*")
    for name in ("*.db", "*.db-wal", "*.db-shm", "*.db-journal", "*.db.aside", "filler")
)
_TIMEOUT: Final = 10.0


@dataclass(slots=True)
class Hit:
    """A value in a place: where, in which form, and how it reads around it."""

    place: str
    form: str


@dataclass(slots=True)
class Search:
    """What was searched, by kind of place, and what was found."""

    traces: Traces
    places: dict[str, int] = field(default_factory=dict)
    megabytes: float = 0.0
    found: list[Hit] = field(default_factory=list)

    def look(self, kind: str, name: str, content: bytes) -> None:
        """Search one place."""
        self.places[kind] = self.places.get(kind, 0) + 1
        self.megabytes += len(content) / 1e6
        self.found += [Hit(f"{kind}: {name}", form) for form in self.traces.hits(content)]

    def look_at_files(self, kind: str, files: Iterable[Path], root: Path) -> None:
        """Search files, their names too."""
        for file in files:
            name = str(file.relative_to(root))
            self.look(kind, name, name.encode() + b"\n" + file.read_bytes())


def files_of(home: Path) -> Iterator[Path]:
    """Every file of a state folder but those that are the services' databases."""
    for file in sorted(home.rglob("*")):
        told = file.relative_to(home)
        if file.is_file() and not any(told.match(pattern) for pattern in HOMES_OF_DATA):
            yield file


def exposed(home: Path) -> Iterator[tuple[str, bytes]]:
    """What each process tells Prometheus, by its name."""
    targets: list[Any] = json.loads((home / "prometheus" / "targets.json").read_bytes())
    for target in targets:
        for address in target["targets"]:
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=_TIMEOUT) as answer:
                yield target["labels"]["instance"], answer.read()
