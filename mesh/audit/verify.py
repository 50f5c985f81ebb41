"""Verifies all journals of a platform, whether it runs or not, from nothing but its files.

What has to be believed is the certificate of the authority. Everything else vouches for each other: an
entry for the one before it, a signature for all before it, the control plane's anchors for where each
journal ended and that it was there, and the journals for how new the anchors are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mesh.audit import anchors as anchoring
from mesh.audit import files, tail
from mesh.audit.anchors import Anchors, AnchorsError
from mesh.audit.examine import Content, examine
from mesh.audit.joining import join
from mesh.audit.lock import held
from mesh.audit.verdict import Finding, Kind, Verdict

Place = tuple[str, str, str]
"""A journal: its service, its replica, the name of its folder."""


@dataclass(frozen=True)
class Evidence:
    """Everything there is to look at. *anchors* is None when there is no such file.

    *live* are the replicas, by service and name, that write just now; *strange* what is in the folder
    and is no part of any journal; *in_memory* how many entries of a journal are not on the disk.
    """

    root: bytes
    anchors: bytes | None
    journals: Mapping[Place, Content]
    live: frozenset[tuple[str, str]] = frozenset()
    strange: Sequence[str] = ()
    in_memory: Mapping[Place, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """What was found, journal by journal, and of all together."""

    verdicts: Sequence[Verdict]
    findings: Sequence[Finding] = field(default_factory=tuple)

    @property
    def broken(self) -> list[Finding]:
        """Everything that is not as it was written."""
        return [*self.findings, *(v.finding for v in self.verdicts if v.finding is not None)]


def collect(folder: Path, anchors: Path, root: Path) -> Evidence:
    """What is on the disk, and in memory on its way there. FileNotFoundError when the authority's
    certificate is not there.

    The anchors are read first, and tails before the disk: a journal that is being written is then never
    behind the anchors, and what left the tail meanwhile is found on the disk.
    """
    trusted = root.read_bytes()
    anchored = anchors.read_bytes() if anchors.exists() else None
    found = _Found()
    for replica in files.replicas(folder):
        with held(replica) as free:
            found.look(replica, live=not free)
    return Evidence(
        trusted, anchored, found.journals, frozenset(found.live), found.strange, found.in_memory
    )


class _Found:
    """What there is of all replicas."""

    def __init__(self) -> None:
        self.journals: dict[Place, Content] = {}
        self.live: set[tuple[str, str]] = set()
        self.strange: list[str] = []
        self.in_memory: dict[Place, int] = {}

    def look(self, replica: Path, *, live: bool) -> None:
        """Read what there is of one. Unless it is *live* nobody changes it meanwhile."""
        service = replica.parent.name
        if live:
            self.live.add((service, replica.name))
        parts = tail.read(replica)
        for each in sorted(replica.iterdir()):
            if each.is_dir() and files.id_of(each.name):
                # The names first: a file that is begun meanwhile is one more, none is one less.
                self.journals[service, replica.name, each.name] = [
                    (path.name, path.read_bytes()) for path in sorted(each.iterdir())
                ]
            elif each.name != files.LOCK:
                self.strange.append(f"{service}/{replica.name}/{each.name}")
        if parts:
            self._add(service, replica, parts, live)

    def _add(self, service: str, replica: Path, parts: Sequence[bytes], live: bool) -> None:
        """Put the tail behind the newest journal of the replica."""
        places = [place for place in self.journals if place[:2] == (service, replica.name)]
        if not places:
            if not live:
                self.strange.append(f"{service}/{replica.name}: what is in memory")
            return
        newest = max(places)
        content = list(self.journals[newest])
        whole = [n for n, (name, _) in enumerate(content) if files.first_of(name) is not None]
        try:
            joined = join(files.end_of([content[n][1] for n in whole]), parts)
        except files.Damaged:
            return
        # Of one that writes, what does not follow was read too early or too late.
        more = joined.rest if live else joined.rest + joined.stray
        if whole and more:
            name, text = content[whole[-1]]
            content[whole[-1]] = (name, text + more)
            self.journals[newest] = content
            self.in_memory[newest] = joined.entries


def verify(evidence: Evidence, look: Callable[..., Verdict] = examine) -> Report:
    """Look at everything; *look* is what examines one journal."""
    findings: list[Finding] = []
    anchors = _anchors(evidence, findings)
    verdicts = [
        look(
            place,
            content,
            root=evidence.root,
            anchor=anchors.journals.get(files.id_of(place[2])),
            live=place[:2] in evidence.live,
        )
        for place, content in evidence.journals.items()
    ]
    for verdict in verdicts:
        place = (verdict.service, verdict.replica, verdict.journal)
        verdict.in_memory = evidence.in_memory.get(place, 0)
    findings += _missing(evidence, anchors)
    findings += _rolled_back(verdicts, anchors)
    findings += [
        Finding(Kind.INSERTED, name, "it is no part of any journal") for name in evidence.strange
    ]
    return Report(verdicts, findings)


def _anchors(evidence: Evidence, findings: list[Finding]) -> Anchors:
    if evidence.anchors is None:
        if evidence.journals:
            what = "it is not there: nobody vouches for the ends of the journals"
            findings.append(Finding(Kind.DELETED, anchoring.FILE, what))
        return anchoring.NONE
    try:
        return anchoring.read(evidence.anchors, evidence.root)
    except AnchorsError as error:
        findings.append(Finding(Kind.EDITED, anchoring.FILE, str(error)))
        return anchoring.NONE


def _missing(evidence: Evidence, anchors: Anchors) -> Iterator[Finding]:
    here = {files.id_of(name): (service, replica) for service, replica, name in evidence.journals}
    for identity, anchor in anchors.journals.items():
        if here.get(identity) != (anchor.service, anchor.replica):
            where = f"{anchor.service}/{anchor.replica}/{identity}"
            what = f"the journal is not there; it had {anchor.sequence} entries at least"
            yield Finding(Kind.DELETED, where, what)


def _rolled_back(verdicts: Sequence[Verdict], anchors: Anchors) -> Iterator[Finding]:
    known = max((each.anchors for each in verdicts), default=0)
    if anchors.version and known > anchors.version:
        what = f"version {anchors.version} is older than {known}, which journals were told of"
        yield Finding(Kind.REPLACED, anchoring.FILE, what)
