"""How the record of who saw what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from observability.metrics import definitions


class Counts(Protocol):
    """What a journal has done since its process began."""

    @property
    def entries(self) -> int:
        """Entries written."""

    @property
    def checkpoints(self) -> int:
        """Signatures made."""

    @property
    def failures(self) -> int:
        """Writes that failed."""


class Journal(Protocol):
    """A journal, as far as it can be looked at."""

    @property
    def counts(self) -> Counts:
        """What it has done."""

    @property
    def unsynced(self) -> int:
        """How many entries are not on the disk yet."""

    @property
    def is_failing(self) -> bool:
        """Whether entries cannot be written now."""


def audit(journal: Journal) -> Iterator[Any]:
    """The metrics of this instant."""
    counts = journal.counts
    yield definitions.AUDIT_ENTRIES.one(counts.entries)
    yield definitions.AUDIT_CHECKPOINTS.one(counts.checkpoints)
    yield definitions.AUDIT_FAILURES.one(counts.failures)
    yield definitions.AUDIT_UNSYNCED.one(journal.unsynced)
    yield definitions.AUDIT_FAILING.one(journal.is_failing)
