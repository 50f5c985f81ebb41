"""Vouches for the ends of audit journals: keeps, signed and on disk, the last that each replica told.

Replicas tell with every heartbeat, and only of what is on their own disks. An end never goes back: a
replica that tells of an earlier one has lost entries, or somebody took them, and what is known stays.
"""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

from mesh import clock, meaning
from mesh.audit import anchors as anchoring
from mesh.audit.anchors import Anchor, Anchors, AnchorsError
from mesh.audit.entry import stamp
from mesh.audit.seal import Signer
from plexus.mesh.v1.replica_pb2 import Replica

_log = logging.getLogger(__name__)


class Anchoring:
    """The anchors in *folder*; *root* is the authority's certificate."""

    def __init__(self, folder: Path, signer: Signer, root: bytes) -> None:
        self._path = folder / anchoring.FILE
        self._signer = signer
        kept = self._load(root)
        self._journals = dict(kept.journals)
        self._kept = dict(kept.journals)
        self._closing = False
        self._complained: set[str] = set()
        self.version = kept.version
        """The version that is on the disk."""
        self._changed = asyncio.Event()
        self._written = asyncio.Condition()
        self._writing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        self._writing = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Write what was told last, and end."""
        self._closing = True
        self._changed.set()
        if self._writing is not None:
            await self._writing

    async def hear(self, replica: Replica) -> None:
        """Take in the end of the journal that *replica* tells; when that is the last there will be, return
        when it is on the disk."""
        head = replica.journal
        told = Anchor(replica.service, replica.name, head.sequence, head.hash, head.closed)
        known = self._journals.get(head.id)
        if known == told:
            return
        if known is not None and not _goes_on(known, told):
            if head.id not in self._complained:
                self._complained.add(head.id)
                _log.error("journal_went_back", extra={"journal": head.id, "replica": replica.name})
            return
        self._journals[head.id] = told
        self._changed.set()
        if told.closed:
            async with self._written:
                await self._written.wait_for(lambda: self._kept.get(head.id) == told)

    async def _keep(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            told = Anchors(self.version + 1, dict(self._journals))
            try:
                if told.journals != self._kept:
                    await asyncio.to_thread(self._write, told)
                    self._kept, self.version = dict(told.journals), told.version
            except OSError as error:
                _log.error("anchors_not_saved", extra={"cause": error.strerror})
                self._changed.set()
            async with self._written:
                self._written.notify_all()
            if self._closing:
                return
            await asyncio.sleep(meaning.AUDIT_ANCHOR)

    def _write(self, told: Anchors) -> None:
        anchoring.write(self._path, told, stamp(clock.now()), self._signer)

    def _load(self, root: bytes) -> Anchors:
        try:
            return anchoring.read(self._path.read_bytes(), root)
        except FileNotFoundError:
            return anchoring.NONE
        except AnchorsError as error:
            # It is evidence, and no start for more: journals that were told of later versions tell.
            aside = self._path.with_name(f"{self._path.name}.{time.time_ns()}")
            self._path.rename(aside)
            _log.error("anchors_unreadable", extra={"cause": str(error), "kept": aside.name})
            return anchoring.NONE


def _goes_on(known: Anchor, told: Anchor) -> bool:
    own = (told.service, told.replica) == (known.service, known.replica)
    further = told.sequence > known.sequence
    return own and (further or (told.sequence == known.sequence and told.hash == known.hash))
