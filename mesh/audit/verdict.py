"""What an examination of a journal says."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What was done to a journal, as far as it can be told from what is left."""

    EDITED = "edited"
    DELETED = "deleted"
    INSERTED = "inserted"
    REORDERED = "reordered"
    REPLACED = "replaced"
    TRUNCATED = "truncated"
    FORGED = "forged"
    UNVOUCHED = "unvouched"


@dataclass(frozen=True, slots=True)
class Finding:
    """The first place that is not as it was written. *where* is a file and a line, or a journal."""

    kind: Kind
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind} at {self.where}: {self.what}"


class Broken(Exception):
    """An examination has found something."""

    def __init__(self, kind: Kind, where: str, what: str) -> None:
        super().__init__(kind)
        self.finding = Finding(kind, where, what)


@dataclass(slots=True)
class Verdict:
    """One journal. Times are as the journal has them; *notes* are no tampering.

    *in_memory* of the entries are not on the disk yet.
    """

    service: str
    replica: str
    journal: str
    entries: int = 0
    accesses: int = 0
    checkpoints: int = 0
    files: int = 0
    first: str = ""
    last: str = ""
    anchors: int = 0
    in_memory: int = 0
    finding: Finding | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Such as `records/records-1/0001-jnl_…`."""
        return f"{self.service}/{self.replica}/{self.journal}"
