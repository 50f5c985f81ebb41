"""A small mesh's worth of journals, kept by real code with real certificates, and no process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from mesh.audit import anchors as anchoring
from mesh.audit.anchors import Anchor, Anchors
from mesh.audit.journal import Journal
from mesh.audit.seal import Signer
from mesh.audit.verify import Evidence, Report, collect, verify
from mesh.identity.authority import Authority
from mesh.identity.keys import new_key, private_pem, signing_request
from mesh.identity.serving import Certified

DOMAIN = "plexus.test"
TIME = "2026-05-01T12:00:00.000000Z"


class Books:
    """Journals in a folder of their own, and the anchors of a control plane that is told of them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.authority = Authority.open(home / "authority", DOMAIN)
        self.anchored: dict[str, Anchor] = {}
        self.version = 0

    @property
    def folder(self) -> Path:
        return self.home / "audit"

    @property
    def anchors(self) -> Path:
        return self.home / anchoring.FILE

    @property
    def root(self) -> Path:
        return self.home / "authority" / "ca.pem"

    def certified(self, workload: str) -> Certified:
        """A certificate as the control plane gives them."""
        key = new_key()
        svid = self.authority.sign(signing_request(key), workload, 3600)
        return Certified(svid.certificate_pem.encode(), private_pem(key), b"")

    def signer(self, workload: str) -> Signer:
        certified = self.certified(workload)
        return Signer(lambda: certified)

    def journal(
        self, replica: str = "records-1", signer: Signer | None = None, **more: Any
    ) -> Journal:
        """The journal of a replica, not opened."""
        service = replica.rpartition("-")[0]
        folder = self.folder / service / replica
        return Journal(folder, service, replica, signer or self.signer(service), **more)

    @contextmanager
    def opened(self, replica: str = "records-1", **more: Any) -> Iterator[Journal]:
        """The journal of a replica, from its beginning to its orderly end, of which we are told."""
        journal = self.journal(replica, **more)
        journal.open()
        try:
            yield journal
        finally:
            journal.close()
            self.tell(journal, replica)

    def tell(self, journal: Journal, replica: str) -> None:
        """What a heartbeat does."""
        head = journal.head
        assert head is not None
        service = replica.rpartition("-")[0]
        anchor = Anchor(service, replica, head.sequence, head.hash, head.closed)
        self.anchored[head.journal_id] = anchor
        self.version += 1
        journal.note_anchors(self.version)
        self.write()

    def write(self) -> None:
        """What the control plane does."""
        told = Anchors(self.version, self.anchored)
        anchoring.write(self.anchors, told, TIME, self.signer(anchoring.SIGNER))

    def evidence(self) -> Evidence:
        return collect(self.folder, self.anchors, self.root)

    def verify(self) -> Report:
        return verify(self.evidence())


def access(number: int = 0, **more: Any) -> Mapping[str, Any]:
    """The fields of a record."""
    return {
        "time": TIME,
        "caller": "edge",
        "subject": "tests",
        "method": "plexus.records.v1.RecordsService/GetPatient",
        "patients": [f"pat_{number:08}"],
        "outcome": "OK",
        "reason": "",
        "trace": f"{number:032x}",
        **more,
    }


def filled(home: Path, seed: int = 1) -> Books:
    """Books of three replicas that began again now and then and were told of as they went."""
    books = Books(home)
    chance = Random(seed)
    for replica in ("records-1", "records-2", "billing-1"):
        for _ in range(2):
            with books.opened(replica) as journal:
                for number in range(30):
                    journal.append(access(number))
                    if chance.random() < 0.15:
                        journal.settle()
                    if chance.random() < 0.1:
                        journal.settle()
                        books.tell(journal, replica)
    return books
