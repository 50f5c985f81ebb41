"""Which of two versions of a resource is the newer one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Verdict(Enum):
    """What becomes of a version that arrives."""

    CREATED = "created"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"
    OUTDATED = "outdated"

    @property
    def is_kept(self) -> bool:
        """Whether it takes the place."""
        return self in (Verdict.CREATED, Verdict.REPLACED)


@dataclass(frozen=True, slots=True)
class Version:
    """`number` is meta.versionId as written, `updated` meta.lastUpdated; `digest` of the content."""

    digest: bytes
    number: str
    updated: datetime | None


@dataclass(frozen=True, slots=True)
class History:
    """The version that is here, and the digests of those that were, which are not to come back."""

    present: Version
    past: frozenset[bytes] = frozenset()

    def followed_by(self, version: Version) -> "History":
        """The history after *version* took the place."""
        return History(version, self.past | {self.present.digest})


def judge(arriving: Version, history: History | None) -> Verdict:
    """The same content is UNCHANGED. Otherwise the higher versionId is newer, where both are
    numbers that differ; else the later lastUpdated, where both are stated and differ.

    Where neither tells, a version that was here before is the older one: files that contradict each
    other can be imported again without end and change nothing. Any other is the newer one.
    """
    if history is None:
        return Verdict.CREATED
    present = history.present
    if arriving.digest == present.digest:
        return Verdict.UNCHANGED
    mine, theirs = _number(arriving.number), _number(present.number)
    if mine is not None and theirs is not None and mine != theirs:
        return Verdict.REPLACED if mine > theirs else Verdict.OUTDATED
    if arriving.updated and present.updated and arriving.updated != present.updated:
        return Verdict.REPLACED if arriving.updated > present.updated else Verdict.OUTDATED
    return Verdict.OUTDATED if arriving.digest in history.past else Verdict.REPLACED


def judge_all(
    arriving: Iterable[tuple[str, Version]], known: Mapping[str, History]
) -> tuple[list[Verdict], Mapping[str, History]]:
    """A verdict for each (id, version), in order, each held to what those before it left; and what
    is known afterwards."""
    histories = dict(known)
    verdicts = []
    for identity, version in arriving:
        history = histories.get(identity)
        verdict = judge(version, history)
        if verdict.is_kept:
            histories[identity] = history.followed_by(version) if history else History(version)
        verdicts.append(verdict)
    return verdicts, histories


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
