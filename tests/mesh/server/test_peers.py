"""Who is at the other end is what the certificate of this very connection says."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mesh.server.peers import Peers

DOMAIN = "plexus.test"
TRIAGE = f"spiffe://{DOMAIN}/ns/plexus/sa/triage".encode()
BILLING = f"spiffe://{DOMAIN}/ns/plexus/sa/billing".encode()
ELSEWHERE = b"spiffe://elsewhere.test/ns/plexus/sa/triage"


class Connection:
    """What gRPC tells of one: the names in the certificate, and which of them is a SPIFFE id."""

    def __init__(self, names: Sequence[bytes] | None, spiffe_id: bytes | None = None) -> None:
        self._names = names
        self._stated = {} if spiffe_id is None else {"peer_spiffe_id": (spiffe_id,)}
        self.reads = 0

    def peer_identities(self) -> Sequence[bytes] | None:
        return self._names

    def auth_context(self) -> dict[str, tuple[bytes]]:
        self.reads += 1
        return self._stated


@pytest.mark.parametrize(
    ("connection", "workload"),
    [
        (Connection([TRIAGE, b"triage.plexus.test"], TRIAGE), "triage"),
        (Connection([BILLING, b"triage.plexus.test"], BILLING), "billing"),
        (Connection([ELSEWHERE], ELSEWHERE), ""),
        # Several ids make none, and a name that is no URI is no id.
        (Connection([TRIAGE, BILLING]), ""),
        (Connection([b"triage.plexus.test"]), ""),
        (Connection(None), ""),
        (Connection([]), ""),
    ],
)
def test_the_id_that_the_certificate_states_names_the_workload(
    connection: Connection, workload: str
) -> None:
    peers = Peers(lambda: DOMAIN)
    assert [peers.workload(connection) for _ in range(2)] == [workload] * 2


def test_who_shows_the_same_names_again_is_not_read_again() -> None:
    peers = Peers(lambda: DOMAIN)
    first, again = (Connection([TRIAGE, b"triage.plexus.test"], TRIAGE) for _ in range(2))
    assert [peers.workload(each) for each in (first, again)] == ["triage"] * 2
    assert (first.reads, again.reads) == (1, 0)


def test_nobody_is_taken_for_another_who_shares_some_of_his_names() -> None:
    peers = Peers(lambda: DOMAIN)
    peers.workload(Connection([TRIAGE, b"shared.plexus.test"], TRIAGE))
    assert peers.workload(Connection([BILLING, b"shared.plexus.test"], BILLING)) == "billing"
    assert peers.workload(Connection([b"shared.plexus.test"])) == ""


def test_what_is_remembered_is_bounded_and_stays_right() -> None:
    peers = Peers(lambda: DOMAIN)
    for number in range(1000):
        names = [TRIAGE, f"{number}.plexus.test".encode()]
        assert peers.workload(Connection(names, TRIAGE)) == "triage"
    assert len(peers._known) <= 256
