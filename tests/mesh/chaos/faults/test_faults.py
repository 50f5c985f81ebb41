"""Each fault on a real platform: what its callers see of it, and that nothing is left of it."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.chaos.model import Kind
from tests.mesh.chaos.faults.broken import ANSWER, READ, WRITE, Broken, until

pytestmark = pytest.mark.xdist_group("broken-platform")

Call = tuple[str, dict[str, Any]]

# Where nothing comes through, the call's deadline and the connection's ping run out at about the same
# time, and a client that has no connection yet finds none.
SILENCE = ("DEADLINE_EXCEEDED", "UNAVAILABLE")


@pytest.mark.parametrize(
    ("kind", "target", "parameters", "call", "outcomes"),
    [
        (Kind.FAIL, "records", {"abort": "INTERNAL"}, READ, ("INTERNAL",)),
        (Kind.FAIL, "records.SearchPatients", {}, READ, ("STORE_UNAVAILABLE",)),
        (Kind.SLOW, "records.SearchPatients", {"delay_ms": 2500}, READ, ("DEADLINE_EXCEEDED",)),
        (Kind.XDS_ABORT, "records", {"status": "INTERNAL"}, READ, ("INTERNAL",)),
        (
            Kind.XDS_DELAY,
            "records.SearchPatients",
            {"delay_ms": 2500},
            READ,
            ("DEADLINE_EXCEEDED",),
        ),
        (Kind.RESET, "records", {}, READ, ("UNAVAILABLE",)),
        (Kind.BLACKHOLE, "records", {}, READ, SILENCE),
        (Kind.BLACKHOLE, "records", {"direction": "to_replica"}, READ, SILENCE),
        (Kind.DELAY, "records", {"delay_ms": 2000}, READ, SILENCE),
        (Kind.DATABASE_LOCKED, "scheduling", {}, WRITE, ("STORE_UNAVAILABLE",)),
        (Kind.DATABASE_GONE, "records", {}, READ, ("STORE_UNAVAILABLE",)),
        (Kind.DATABASE_GONE, "scheduling", {}, WRITE, ("STORE_UNAVAILABLE",)),
        (Kind.DISK_FULL, "scheduling", {}, WRITE, ("STORE_UNAVAILABLE",)),
        (Kind.CLOCK_STEP, "records", {"offset_seconds": 7200}, READ, ("TOKEN_INVALID",)),
    ],
    ids=str,
)
def test_a_fault_shows_and_is_gone_when_it_is_lifted(
    broken: Broken,
    kind: Kind,
    target: str,
    parameters: dict[str, Any],
    call: Call,
    outcomes: tuple[str, ...],
) -> None:
    if kind is Kind.DISK_FULL and not broken.has_small_disk:
        pytest.skip("this process may not mount a small disk")
    with broken.by(kind, target, **parameters):
        until(lambda: broken.caller.call(*call) in outcomes, f"{kind} shows as {outcomes}")
    broken.await_healthy()


@pytest.mark.parametrize(
    ("kind", "target", "parameters"),
    [
        (Kind.RESET, "records-1", {}),
        (Kind.BLACKHOLE, "records-1", {}),
        (Kind.FAIL, "records-1", {}),
        (Kind.FAIL, "scheduling", {}),
        (Kind.DATABASE_GONE, "scheduling", {}),
        (Kind.CLOCK_STEP, "scheduling", {"offset_seconds": -7200}),
    ],
    ids=str,
)
def test_what_does_not_need_the_broken_part_goes_on(
    broken: Broken, kind: Kind, target: str, parameters: dict[str, Any]
) -> None:
    with broken.newcomer() as caller, broken.by(kind, target, **parameters):
        caller.load(*READ)
        until(lambda: caller.count().get(ANSWER, 0) > 100, "a hundred calls")
        counts = caller.stop()
    # One replica that hangs costs the calls that were on their way to it. Until one that fails is
    # ejected, two callers who take turns with each other may meet it at every attempt.
    assert sum(counts.values()) - counts[ANSWER] <= 5


@pytest.mark.parametrize("resource", ["cluster", "endpoints", "listener", "routes"])
def test_a_bad_snapshot_is_refused_rolled_back_and_fails_no_call(
    broken: Broken, resource: str
) -> None:
    broken.caller.load(*READ)
    with broken.by(Kind.BAD_SNAPSHOT, "records", resource=resource):
        refused = broken.platform.status().nacks[0].type
        served = broken.platform.status().versions
    assert broken.caller.stop().keys() == {ANSWER}
    assert refused.lower().startswith(
        {"endpoints": "cluster", "routes": "route"}.get(resource, resource)
    )
    assert all(version.acknowledged == version.subscribers for version in served)


def test_a_locked_database_can_still_be_read(broken: Broken) -> None:
    with broken.by(Kind.DATABASE_LOCKED, "records"):
        assert broken.caller.call(*READ) == ANSWER


def test_what_was_written_before_the_database_went_is_there_when_it_is_back(
    broken: Broken,
) -> None:
    clinics = ("scheduling.ListClinics", {"page_size": 1})
    with broken.by(Kind.DATABASE_GONE, "scheduling"):
        assert broken.caller.call(*clinics) == "STORE_UNAVAILABLE"
    until(lambda: broken.caller.call(*clinics) == "OK", "clinics are listed again")
