"""What an appointment may become."""

from __future__ import annotations

import pytest

from plexus.errors import Fault
from plexus.scheduling.v1.appointment_pb2 import Appointment, AppointmentState
from plexus.scheduling.v1.appointment_type_pb2 import AppointmentType
from plexus.scheduling.v1.practitioner_pb2 import Practitioner
from services.scheduling.domain.appointments import Verb, move
from services.scheduling.domain.offers import gives

ALLOWED = {
    ("BOOKED", Verb.RESCHEDULE): "BOOKED",
    ("BOOKED", Verb.CANCEL): "CANCELLED",
    ("BOOKED", Verb.CHECK_IN): "CHECKED_IN",
    ("BOOKED", Verb.MARK_NO_SHOW): "NO_SHOW",
    ("CHECKED_IN", Verb.CANCEL): "CANCELLED",
    ("CHECKED_IN", Verb.COMPLETE): "COMPLETED",
}
STATES = ("BOOKED", "CHECKED_IN", "COMPLETED", "CANCELLED", "NO_SHOW")


def in_state(name: str) -> Appointment:
    state = AppointmentState.Value(f"APPOINTMENT_STATE_{name}")
    return Appointment(id="app_aaaaaaaa", state=state, etag="now")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("verb", Verb)
def test_only_the_verbs_of_the_table_move_an_appointment(state: str, verb: Verb) -> None:
    appointment = in_state(state)
    target = ALLOWED.get((state, verb))
    if target is None:
        with pytest.raises(Fault, match="STATE_CONFLICT") as refused:
            move(appointment, verb, "")
        assert refused.value.metadata == {"state": state}
        assert appointment == in_state(state)
    else:
        move(appointment, verb, "now")
        assert appointment.state == in_state(target).state


def test_a_verb_with_an_old_etag_is_refused_before_its_state_is_told() -> None:
    with pytest.raises(Fault, match="ETAG_MISMATCH"):
        move(in_state("COMPLETED"), Verb.CANCEL, "before")


@pytest.mark.parametrize(
    ("needed", "held", "given"),
    [
        ([], [], True),
        ([], ["cardiology"], True),
        (["cardiology"], ["cardiology", "pediatrics"], True),
        (["cardiology", "pediatrics"], ["pediatrics"], True),
        (["cardiology"], [], False),
        (["cardiology"], ["pediatrics"], False),
    ],
)
def test_a_type_is_given_by_whoever_has_one_of_its_specialties(
    needed: list[str], held: list[str], given: bool
) -> None:
    assert gives(Practitioner(specialties=held), AppointmentType(specialties=needed)) is given
