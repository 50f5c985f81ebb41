"""What goes on without the control plane, and what can be replaced meanwhile."""

from __future__ import annotations

import signal

import pytest

from mesh.chaos.model import Kind
from tests.mesh.chaos.faults.broken import ANSWER, READ, Broken, until

pytestmark = pytest.mark.xdist_group("broken-platform")

# Scheduling asks records who the patient is.
BOOKING = (
    "scheduling.BookAppointment",
    {
        "patient_id": "pat_00000000000000000000",
        "practitioner_id": "pra_00000000000000000000",
        "appointment_type_id": "apt_00000000000000000000",
        "start_time": "2030-01-07T09:00:00Z",
    },
)


def test_a_replica_is_killed_and_replaced_without_the_control_plane_and_no_call_fails(
    broken: Broken,
) -> None:
    ports = broken.ports()
    with broken.newcomer() as caller:
        with broken.by(Kind.CONTROL_PLANE_DOWN, "control-plane", seconds=60):
            caller.load(*READ)
            for replica in ("records-1", "records-2"):
                began = broken.served(replica)
                broken.platform.signal(replica, signal.SIGKILL)
                until(lambda: broken.served(replica) > began, f"{replica} serves again")  # noqa: B023
                before = caller.count().get(ANSWER, 0)
                until(lambda: caller.count().get(ANSWER, 0) > before + 200, "calls go on")  # noqa: B023
            counts = caller.stop()
            assert broken.ports() == ports
    assert counts.keys() == {ANSWER}


def test_a_caller_that_is_replaced_without_the_control_plane_finds_what_it_calls(
    broken: Broken,
) -> None:
    asked = broken.asked_by("scheduling")
    with broken.by(Kind.CONTROL_PLANE_DOWN, "control-plane", seconds=60):
        began = broken.served("scheduling-1")
        broken.platform.signal("scheduling-1", signal.SIGKILL)
        until(lambda: broken.served("scheduling-1") > began, "scheduling serves again")
        until(lambda: broken.caller.call(*BOOKING) == "PRACTITIONER_NOT_FOUND", "it answers")
    until(lambda: broken.asked_by("scheduling") > asked, "the call of that time is counted")
