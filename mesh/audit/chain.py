"""Gives entries their places in a journal: each holds the hash of the one before, and some are signed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mesh import meaning
from mesh.audit import entry
from mesh.audit.entry import stamp
from mesh.audit.seal import Signer

Write = Callable[[bytes], None]
"""Keeps a line, or raises: then the entry was never there."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a journal, as far as it is on the disk."""

    journal_id: str
    sequence: int
    hash: str
    closed: bool = False


class Chain:
    """The end of a journal, to which one thread at a time adds."""

    def __init__(self, signer: Signer, now: Callable[[], datetime]) -> None:
        self._signer = signer
        self._now = now
        self._known_keys: set[str] = set()
        self._signed_at = 0.0
        self._anchors = 0
        self.sequence = 0
        self.hash = entry.FIRST
        self.unsigned = 0

    def go_on(self, sequence: int, digest: str) -> None:
        """The last entry was this one."""
        self.sequence, self.hash = sequence, digest
        self.begin_file()

    def begin_file(self) -> None:
        """Certificates that were in another file are not in this one."""
        self._known_keys = set()

    def note_anchors(self, version: int) -> None:
        """The next signature vouches for this version of the control plane's anchors."""
        self._anchors = max(self._anchors, version)

    @property
    def is_signing_due(self) -> bool:
        """Whether enough was added, or enough time has passed, since the last signature."""
        waited = time.monotonic() - self._signed_at
        return self.unsigned >= meaning.AUDIT_CHECKPOINT_ENTRIES or (
            self.unsigned > 0 and waited >= meaning.AUDIT_CHECKPOINT
        )

    def add(self, own: bytes, write: Write, sign: Callable[[bytes], bytes] | None = None) -> int:
        """Add an entry, and return its sequence."""
        content = entry.placed(own, self.sequence + 1, self.hash)
        if sign is not None:
            content = entry.signed(content, sign(content))
        line, digest = entry.sealed(content)
        write(line)
        self.sequence += 1
        self.hash = digest
        self.unsigned += 1
        return self.sequence

    def sign(self, kind: str, write: Write, more: Mapping[str, Any] | None = None) -> None:
        """Add a signed entry."""
        key = self._signer.take()
        fields: dict[str, Any] = {"kind": kind, "time": stamp(self._now()), **(more or {})}
        if self._anchors:
            fields["anchors"] = self._anchors
        fields["key"] = key.name
        if key.name not in self._known_keys:
            fields["certificate"] = key.certificate
        self.add(entry.body(fields), write, key.sign)
        self._known_keys.add(key.name)
        self.unsigned = 0
        self._signed_at = time.monotonic()
