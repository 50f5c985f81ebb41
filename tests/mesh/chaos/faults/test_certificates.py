"""A certificate that nobody renewed."""

from __future__ import annotations

import pytest

from mesh.chaos.model import Kind
from tests.mesh.chaos.faults.broken import ANSWER, READ, Broken

pytestmark = pytest.mark.xdist_group("broken-platform")


def test_a_service_whose_certificates_have_expired_is_refused_until_it_has_new_ones(
    broken: Broken,
) -> None:
    with broken.by(Kind.CERTIFICATE_EXPIRED, "scheduling"):
        assert broken.caller.call("scheduling.ListClinics", {}) == "UNAVAILABLE"
        # Nobody else is touched, though the control plane is down all this time.
        assert broken.caller.call(*READ) == ANSWER
    broken.await_healthy()


def test_one_replica_with_an_expired_certificate_fails_no_call(broken: Broken) -> None:
    with broken.newcomer() as caller:
        caller.load(*READ)
        with broken.by(Kind.CERTIFICATE_EXPIRED, "records-1"):
            pass
        counts = caller.stop()
    # It hangs for a while on the way, which may cost the calls that were under way to it.
    assert sum(counts.values()) - counts[ANSWER] <= 0.01 * counts[ANSWER]
