"""Booking, moving and calling off: one time, one patient."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from plexus.errors import Conflict, Invalid, NotFound, Unmet
from plexus.scheduling.v1 import scheduling_service_pb2 as api
from plexus.scheduling.v1.appointment_event_pb2 import AppointmentChange
from plexus.scheduling.v1.appointment_pb2 import (
    Appointment,
    AppointmentState,
    PatientVerification,
    PerformedService,
)
from plexus.type.v1.code_pb2 import Code
from tests.services.scheduling.surgery import PATIENT, Surgery, differing, wish


def told(surgery: Surgery, count: int) -> list[str]:
    """The changes that the feed tells of, in order; their sequences have no gaps."""
    events = surgery.events(count)
    assert [event.sequence for event in events] == list(range(1, count + 1))
    return [
        AppointmentChange.Name(event.change).removeprefix("APPOINTMENT_CHANGE_") for event in events
    ]


def state(appointment: Appointment) -> str:
    return AppointmentState.Name(appointment.state).removeprefix("APPOINTMENT_STATE_")


def test_a_booked_appointment_is_what_was_asked_for(surgery: Surgery) -> None:
    clinic = surgery.open_clinic()
    practitioner = surgery.employ(clinic)
    kind = surgery.offer(minutes=45)
    slot = surgery.slots()[0]
    booked = surgery.book(slot, conversation_id="cnv_aaaaaaaa")
    assert (booked.start_time, booked.end_time) == (slot.start_time, slot.end_time)
    assert booked.clinic_id == clinic.id
    assert booked.practitioner_id == practitioner.id
    assert (booked.appointment_type_id, booked.appointment_type_code) == (kind, "office_visit")
    assert booked.conversation_id == "cnv_aaaaaaaa"
    assert booked.patient_verification == PatientVerification.PATIENT_VERIFICATION_VERIFIED
    assert booked.create_time.ToDatetime(surgery.now.tzinfo) == surgery.now
    assert state(booked) == "BOOKED"
    assert surgery.call("GetAppointment", appointment_id=booked.id).appointment == booked
    (event,) = surgery.events(1)
    assert event.appointment == booked


def test_a_slot_cannot_be_booked_twice_nor_overlapped(surgery: Surgery) -> None:
    surgery.employ(surgery.open_clinic())
    surgery.offer(minutes=30)
    short = surgery.offer("quick_look", 5)
    slot = surgery.slots(appointment_type_id=surgery.offer("long_visit", 60))[0]
    surgery.book(slot)
    for offset in (0, 5, 55):
        wanted = wish(slot) | {"appointment_type_id": short}
        wanted["start_time"] = later(slot.start_time, offset)
        with pytest.raises(Unmet) as refused:
            surgery.call("BookAppointment", **wanted)
        assert refused.value.reason == "SLOT_TAKEN"
        assert refused.value.metadata["practitioner_id"] == slot.practitioner_id
    after = wish(slot) | {"appointment_type_id": short, "start_time": slot.end_time}
    surgery.call("BookAppointment", **after)
    assert told(surgery, 2) == ["BOOKED", "BOOKED"]


def later(time: Any, minutes: int) -> Any:
    moved = type(time)()
    moved.FromSeconds(time.seconds + minutes * 60)
    return moved


def test_a_cancelled_time_is_free_again(surgery: Surgery) -> None:
    surgery.employ(surgery.open_clinic())
    surgery.offer()
    slot = surgery.slots()[0]
    first = surgery.book(slot)
    assert slot not in surgery.slots()
    cancelled = surgery.call("CancelAppointment", appointment_id=first.id).appointment
    assert state(cancelled) == "CANCELLED"
    assert surgery.slots()[0] == slot
    assert surgery.book(slot).id != first.id


def test_a_moved_appointment_frees_its_old_time_and_takes_the_new_one(surgery: Surgery) -> None:
    surgery.employ(surgery.open_clinic())
    surgery.offer(minutes=30)
    first, second, *_ = surgery.slots()
    booked = surgery.book(first)
    overlapping = later(first.start_time, 15)
    moved = surgery.call(
        "RescheduleAppointment", appointment_id=booked.id, start_time=overlapping
    ).appointment
    assert moved.start_time == overlapping
    assert moved.end_time.seconds - moved.start_time.seconds == 1800
    assert not {first.start_time.seconds, second.start_time.seconds} & {
        slot.start_time.seconds for slot in surgery.slots()
    }
    surgery.call("RescheduleAppointment", appointment_id=booked.id, start_time=second.end_time)
    assert surgery.slots(limit=2) == [first, second]
    assert told(surgery, 3) == ["BOOKED", "RESCHEDULED", "RESCHEDULED"]


def test_an_appointment_moves_to_another_practitioner_of_another_clinic(surgery: Surgery) -> None:
    here = surgery.employ(surgery.open_clinic())
    there = surgery.employ(surgery.open_clinic("Harbour", "Australia/Sydney"))
    surgery.offer()
    booked = surgery.book(surgery.slots(practitioner_id=here.id)[0])
    target = surgery.slots(practitioner_id=there.id)[0]
    moved = surgery.call(
        "RescheduleAppointment",
        appointment_id=booked.id,
        practitioner_id=there.id,
        start_time=target.start_time,
    ).appointment
    assert (moved.practitioner_id, moved.clinic_id) == (there.id, there.clinic_id)
    assert target not in surgery.slots(practitioner_id=there.id)
    with pytest.raises(Unmet, match="SLOT_TAKEN"):
        surgery.book(target)


def test_a_move_that_fails_leaves_everything_as_it_was(surgery: Surgery) -> None:
    surgery.employ(surgery.open_clinic())
    surgery.offer()
    first, second, *_ = surgery.slots()
    booked, other = surgery.book(first), surgery.book(second)
    with pytest.raises(Unmet, match="SLOT_TAKEN"):
        surgery.call("RescheduleAppointment", appointment_id=booked.id, start_time=other.start_time)
    assert surgery.call("GetAppointment", appointment_id=booked.id).appointment == booked
    with pytest.raises(Unmet, match="SLOT_TAKEN"):
        surgery.book(first)
    assert told(surgery, 2) == ["BOOKED", "BOOKED"]


@pytest.mark.parametrize("minutes", [-5, 1, 155, 24 * 60, -7 * 24 * 60, 10**13])
def test_only_a_time_that_is_worked_can_be_booked(surgery: Surgery, minutes: int) -> None:
    surgery.employ(surgery.open_clinic(), exceptions=[differing(2026, 3, 3)])
    surgery.offer()
    wanted = wish(surgery.slots()[0])
    wanted["start_time"].seconds += minutes * 60
    with pytest.raises(Unmet) as refused:
        surgery.call("BookAppointment", **wanted)
    assert refused.value.reason == "SLOT_NOT_OFFERED"


def test_a_start_within_a_second_is_no_five_minute_mark(surgery: Surgery) -> None:
    surgery.employ(surgery.open_clinic())
    surgery.offer()
    wanted = wish(surgery.slots()[0])
    wanted["start_time"].nanos = 1
    with pytest.raises(Unmet, match="SLOT_NOT_OFFERED"):
        surgery.call("BookAppointment", **wanted)


def test_a_time_that_has_passed_is_neither_found_nor_booked(surgery: Surgery) -> None:
    surgery.employ(surgery.open_clinic())
    surgery.offer()
    first, second, *_ = surgery.slots()
    surgery.now = first.start_time.ToDatetime(surgery.now.tzinfo) + timedelta(microseconds=1)
    assert surgery.slots()[0] == second
    with pytest.raises(Unmet, match="SLOT_NOT_OFFERED"):
        surgery.book(first)


def test_a_type_is_booked_only_with_whoever_gives_it(surgery: Surgery) -> None:
    clinic = surgery.open_clinic()
    doctor = surgery.employ(clinic, "family_medicine")
    heart = surgery.employ(clinic, "cardiology")
    kind = surgery.offer("heart_check", 30, "cardiology")
    slots = surgery.slots(appointment_type_id=kind)
    assert {slot.practitioner_id for slot in slots} == {heart.id}
    with pytest.raises(Unmet) as refused:
        surgery.book(slots[0], practitioner_id=doctor.id)
    assert refused.value.reason == "TYPE_NOT_OFFERED"


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("practitioner_id", "pra_nobodyhere", "PRACTITIONER_NOT_FOUND"),
        ("appointment_type_id", "apt_nothinghere", "APPOINTMENT_TYPE_NOT_FOUND"),
    ],
)
def test_booking_what_does_not_exist_says_what(
    surgery: Surgery, field: str, value: str, reason: str
) -> None:
    surgery.employ(surgery.open_clinic())
    surgery.offer()
    with pytest.raises(NotFound) as missing:
        surgery.book(surgery.slots()[0], **{field: value})
    assert (missing.value.reason, missing.value.metadata[field]) == (reason, value)


def test_an_appointment_goes_its_way_and_the_feed_tells_each_step(surgery: Surgery) -> None:
    surgery.employ(surgery.open_clinic())
    surgery.offer()
    booked = surgery.book(surgery.slots()[0])
    with pytest.raises(Unmet) as refused:
        surgery.call("CompleteAppointment", appointment_id=booked.id)
    assert (refused.value.reason, refused.value.metadata["state"]) == ("STATE_CONFLICT", "BOOKED")
    present = surgery.call("CheckInAppointment", appointment_id=booked.id).appointment
    service = PerformedService(code=Code(code="99213"), quantity=1)
    done = surgery.call(
        "CompleteAppointment",
        appointment_id=booked.id,
        etag=present.etag,
        services=[service],
        diagnoses=[Code(code="I10")],
    ).appointment
    assert state(done) == "COMPLETED"
    assert list(done.services) == [service]
    assert len(done.diagnoses) == 1
    assert told(surgery, 3) == ["BOOKED", "CHECKED_IN", "COMPLETED"]
    assert surgery.events(1, after=2)[0].appointment == done
    with pytest.raises(Unmet, match="STATE_CONFLICT"):
        surgery.call("CancelAppointment", appointment_id=booked.id)


def test_the_stream_tells_from_a_cursor_on_and_of_what_happens_meanwhile(
    surgery: Surgery,
) -> None:
    surgery.employ(surgery.open_clinic())
    surgery.offer()
    slots = surgery.slots(limit=3)
    for slot in slots[:2]:
        surgery.book(slot)
    meanwhile = threading.Timer(0.2, surgery.book, [slots[2]])
    meanwhile.start()
    request = api.StreamAppointmentEventsRequest(after_sequence=1)
    # It ends by itself half a second before its deadline.
    responses = surgery.server.all("StreamAppointmentEvents", request, 2, timeout=1.5)
    meanwhile.join()
    told = [response.event for response in responses]
    for event in told:
        # It names the call that caused it, which the table of events does not tell here.
        assert event.traceparent
        event.ClearField("traceparent")
    assert told == surgery.events(2, after=1)


def test_a_patient_who_did_not_come_keeps_their_time(surgery: Surgery) -> None:
    surgery.employ(surgery.open_clinic())
    surgery.offer()
    slot = surgery.slots()[0]
    booked = surgery.book(slot)
    missed = surgery.call("MarkNoShow", appointment_id=booked.id).appointment
    assert state(missed) == "NO_SHOW"
    assert slot not in surgery.slots()


@pytest.mark.parametrize(
    "method", ["CancelAppointment", "CheckInAppointment", "MarkNoShow", "RescheduleAppointment"]
)
def test_a_verb_with_an_old_etag_is_refused(surgery: Surgery, method: str) -> None:
    surgery.employ(surgery.open_clinic())
    surgery.offer()
    first, second, *_ = surgery.slots()
    booked = surgery.book(first)
    start: dict[str, Any] = {}
    if method == "RescheduleAppointment":
        start = {"start_time": second.start_time}
    surgery.call("RescheduleAppointment", appointment_id=booked.id, start_time=first.start_time)
    with pytest.raises(Conflict) as refused:
        surgery.call(method, appointment_id=booked.id, etag=booked.etag, **start)
    assert refused.value.reason == "ETAG_MISMATCH"
    current = surgery.call("GetAppointment", appointment_id=booked.id).appointment
    surgery.call(method, appointment_id=booked.id, etag=current.etag, **start)


@pytest.mark.parametrize(
    "method", ["GetAppointment", "CancelAppointment", "CheckInAppointment", "MarkNoShow"]
)
def test_an_appointment_that_does_not_exist_is_not_found(surgery: Surgery, method: str) -> None:
    with pytest.raises(NotFound) as missing:
        surgery.call(method, appointment_id="app_aaaaaaaa")
    assert missing.value.reason == "APPOINTMENT_NOT_FOUND"


def test_a_repeated_request_books_once_and_gets_the_same_answer(surgery: Surgery) -> None:
    surgery.employ(surgery.open_clinic())
    surgery.offer()
    first, second, *_ = surgery.slots()
    booked = surgery.book(first, request_id="one")
    assert surgery.book(first, request_id="one") == booked
    with pytest.raises(Conflict, match="REQUEST_ID_REUSED"):
        surgery.book(second, request_id="one")
    assert told(surgery, 1) == ["BOOKED"]


def test_an_unknown_patient_is_refused_and_nothing_is_kept(surgery: Surgery) -> None:
    surgery.employ(surgery.open_clinic())
    surgery.offer()
    surgery.records.unknown.add(PATIENT)
    slot = surgery.slots()[0]
    with pytest.raises(Unmet) as refused:
        surgery.book(slot)
    assert refused.value.reason == "PATIENT_UNKNOWN"
    assert surgery.slots()[0] == slot


@pytest.mark.parametrize("known", [True, False])
def test_an_appointment_booked_while_records_is_silent_is_confirmed_later(
    surgery: Surgery, known: bool
) -> None:
    surgery.employ(surgery.open_clinic())
    surgery.offer()
    surgery.records.silent = True
    answers = [surgery.call("BookAppointment", **wish(slot)) for slot in surgery.slots(limit=2)]
    for answer in answers:
        (degradation,) = answer.degradations
        assert degradation.dependency == surgery.records.path
        assert answer.appointment.patient_verification == (
            PatientVerification.PATIENT_VERIFICATION_UNVERIFIED
        )
    surgery.verify()
    surgery.records.silent = False
    if not known:
        surgery.records.unknown.add(PATIENT)
    surgery.verify()
    surgery.verify()
    assert told(surgery, 4) == ["BOOKED", "BOOKED", "PATIENT_VERIFIED", "PATIENT_VERIFIED"]
    expected = (
        PatientVerification.PATIENT_VERIFICATION_VERIFIED
        if known
        else PatientVerification.PATIENT_VERIFICATION_UNKNOWN_PATIENT
    )
    for event in surgery.events(2, after=2):
        assert event.appointment.patient_verification == expected
        current = surgery.call("GetAppointment", appointment_id=event.appointment.id).appointment
        assert current == event.appointment
        assert current.etag not in {answer.appointment.etag for answer in answers}


def test_a_booking_repeated_after_records_answered_is_still_the_first(surgery: Surgery) -> None:
    surgery.employ(surgery.open_clinic())
    surgery.offer()
    slot = surgery.slots()[0]
    surgery.records.silent = True
    booked = surgery.book(slot, request_id="one")
    surgery.records.silent = False
    surgery.records.unknown.add(PATIENT)
    assert surgery.book(slot, request_id="one") == booked


def test_a_request_that_breaks_a_rule_of_the_contract_is_refused_by_field(
    surgery: Surgery,
) -> None:
    with pytest.raises(Invalid) as refused:
        surgery.offer(minutes=31)
    (violation,) = refused.value.violations
    assert violation.field == "appointment_type.duration_minutes"
