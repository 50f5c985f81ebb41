"""The control plane vouches for the ends of journals, and an end never goes back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mesh.audit import anchors
from mesh.controlplane.anchoring import Anchoring
from plexus.mesh.v1.replica_pb2 import JournalHead, Replica
from tests.mesh.audit.books import Books

ID = "jnl_00000001"
Act = Callable[[Anchoring], Awaitable[None]]


def head(sequence: int, *, replica: str = "records-1", closed: bool = False) -> Replica:
    told = JournalHead(id=ID, sequence=sequence, hash=f"{sequence:064x}", closed=closed)
    return Replica(name=replica, service=replica.partition("-")[0], journal=told)


class Desk:
    """A control plane's anchors in a folder of their own."""

    def __init__(self, home: Path) -> None:
        self.books = Books(home)
        self.path = home / anchors.FILE

    def run(self, act: Act) -> None:
        """From start to stop."""

        async def play() -> None:
            anchoring = self.begin()
            anchoring.start()
            await act(anchoring)
            await anchoring.close()

        asyncio.run(play())

    def begin(self) -> Anchoring:
        signer = self.books.signer(anchors.SIGNER)
        return Anchoring(self.path.parent, signer, self.books.root.read_bytes())

    @property
    def kept(self) -> anchors.Anchors:
        return anchors.read(self.path.read_bytes(), self.books.root.read_bytes())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def hear(*replicas: Replica) -> Act:
    async def act(anchoring: Anchoring) -> None:
        for replica in replicas:
            await anchoring.hear(replica)

    return act


def test_what_was_told_last_is_kept_signed(desk: Desk) -> None:
    desk.run(hear(head(1), head(5)))
    anchor = desk.kept.journals[ID]
    assert (anchor.service, anchor.replica, anchor.sequence) == ("records", "records-1", 5)


@pytest.mark.parametrize(
    "later",
    [head(4), head(9, replica="records-2"), head(9, replica="billing-1")],
    ids=["an earlier end", "a sibling's", "another service's"],
)
def test_an_end_never_goes_back_and_is_nobody_elses(desk: Desk, later: Replica) -> None:
    desk.run(hear(head(5), later))
    desk.run(hear(later))
    assert desk.kept.journals[ID].sequence == 5
    assert desk.kept.journals[ID].replica == "records-1"


def test_a_closed_journal_is_vouched_for_when_the_replica_has_its_answer(desk: Desk) -> None:
    async def act(anchoring: Anchoring) -> None:
        await anchoring.hear(head(7, closed=True))
        assert desk.kept.journals[ID].closed
        assert anchoring.version == desk.kept.version

    desk.run(act)


def test_versions_go_on_over_restarts_and_nothing_new_makes_none(desk: Desk) -> None:
    desk.run(hear(head(1)))
    desk.run(hear(head(1)))
    assert desk.kept.version == 1
    desk.run(hear(head(2)))
    assert desk.kept.version == 2


def test_anchors_that_cannot_be_believed_are_kept_aside_as_evidence(desk: Desk) -> None:
    desk.run(hear(head(5)))
    spoilt = desk.path.read_bytes().replace(b'"sequence":5', b'"sequence":3')
    desk.path.write_bytes(spoilt)
    desk.run(hear(head(6)))
    aside = [path for path in desk.path.parent.iterdir() if path.name.startswith("anchors.json.")]
    assert [path.read_bytes() for path in aside] == [spoilt]
    assert desk.kept.journals[ID].sequence == 6
