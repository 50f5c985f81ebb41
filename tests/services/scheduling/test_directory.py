"""Clinics, practitioners, types, and lists by the page."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from mesh.persistence import Database, migrate
from mesh.persistence.migrations import differences
from mesh.persistence.schema import feeds, requests
from plexus.errors import Conflict, Invalid, NotFound
from plexus.scheduling.v1.appointment_pb2 import AppointmentState
from plexus.type.v1.period_pb2 import Period
from services.scheduling.store.tables import metadata
from tests.services.scheduling.surgery import Surgery, differing, weekly


def execute(database: Database, statement: str) -> None:
    """Change the schema behind the service's back."""
    with database.alter() as tx:
        tx.execute(sa.text(statement))


def pages(surgery: Surgery, method: str, field: str, **fields: Any) -> list[list[str]]:
    """The ids of every page of a list."""
    found, token = [], ""
    while True:
        answer = surgery.call(method, page_token=token, **fields)
        found.append([each.id for each in getattr(answer, field)])
        token = answer.next_page_token
        if not token:
            return found


def test_the_migrations_make_the_tables_that_the_code_uses(
    surgery: Surgery, database: Database
) -> None:
    assert differences(database, metadata, requests, feeds) == []


def test_who_was_there_before_a_search_had_its_columns_is_found_after(
    surgery: Surgery, database: Database
) -> None:
    clinic = surgery.open_clinic()
    working, idle = surgery.employ(clinic), surgery.employ(clinic, weekly_hours=[])
    surgery.offer("long_visit", 60)
    short = surgery.offer("quick_look", 15)
    for index in ("practitioners_at_work", "appointment_types_by_duration"):
        execute(database, f"DROP INDEX {index}")
    execute(database, "ALTER TABLE practitioners DROP COLUMN works")
    execute(database, "ALTER TABLE appointment_types DROP COLUMN duration_minutes")
    execute(database, "UPDATE alembic_version SET version_num = '0002'")
    migrate(database, "services.scheduling")
    assert differences(database, metadata, requests, feeds) == []
    found = surgery.slots()
    assert {slot.practitioner_id for slot in found} == {working.id}
    assert {slot.appointment_type_id for slot in found} == {short}
    surgery.call("SetPractitionerHours", practitioner_id=idle.id, weekly_hours=weekly(540, 600))
    assert idle.id in {slot.practitioner_id for slot in surgery.slots()}


def test_clinics_and_practitioners_are_listed_by_name_a_page_at_a_time(surgery: Surgery) -> None:
    names = ["b", "a", "Z", "é", "a"]
    clinics = {surgery.open_clinic(name).id: name for name in names}
    listed = pages(surgery, "ListClinics", "clinics", page_size=2)
    assert [len(page) for page in listed] == [2, 2, 1]
    ids = [each for page in listed for each in page]
    assert [clinics[each] for each in ids] == sorted(names)
    assert set(ids) == set(clinics)

    home = surgery.open_clinic("home")
    staff = {surgery.employ(home, name=name).id: name for name in names}
    listed = pages(surgery, "ListPractitioners", "practitioners", clinic_id=home.id, page_size=5)
    (ids,) = listed
    assert [staff[each] for each in ids] == sorted(names)


def test_a_page_token_is_good_for_its_query_only(surgery: Surgery) -> None:
    one, other = surgery.open_clinic(), surgery.open_clinic()
    for _ in range(2):
        surgery.employ(one)
    page = surgery.call("ListPractitioners", clinic_id=one.id, page_size=1)
    with pytest.raises(Invalid, match="PAGE_TOKEN_INVALID"):
        surgery.call("ListPractitioners", clinic_id=other.id, page_token=page.next_page_token)


def test_appointments_are_listed_by_every_criterion_in_order_of_time(surgery: Surgery) -> None:
    clinic = surgery.open_clinic()
    first, second = surgery.employ(clinic), surgery.employ(clinic)
    surgery.offer()
    slots = surgery.slots(limit=12)
    booked = [
        surgery.book(slot, patient_id=f"pat_aaaaaaa{number % 3}")
        for number, slot in enumerate(reversed(slots))
    ]
    surgery.call("CancelAppointment", appointment_id=booked[0].id)
    booked.sort(key=lambda each: (each.start_time.seconds, each.id))
    in_order = [each.id for each in booked]

    def listed(**fields: Any) -> list[str]:
        found = pages(surgery, "ListAppointments", "appointments", page_size=5, **fields)
        assert all(len(page) == 5 for page in found[:-1])
        return [each for page in found for each in page]

    assert listed() == in_order
    assert listed(clinic_id=clinic.id) == in_order
    assert listed(clinic_id="cli_aaaaaaaa") == []
    for practitioner in (first, second):
        expected = [each.id for each in booked if each.practitioner_id == practitioner.id]
        assert listed(practitioner_id=practitioner.id) == expected
    patient = booked[0].patient_id
    assert listed(patient_id=patient) == [e.id for e in booked if e.patient_id == patient]
    window = Period(start=booked[2].start_time, end=booked[6].start_time)
    assert listed(window=window) == [
        each.id
        for each in booked
        if window.start.seconds <= each.start_time.seconds < window.end.seconds
    ]
    cancelled = AppointmentState.APPOINTMENT_STATE_CANCELLED
    assert len(listed(states=[cancelled])) == 1


def test_a_clinic_needs_a_time_zone_that_exists(surgery: Surgery) -> None:
    with pytest.raises(Invalid) as refused:
        surgery.open_clinic(zone="Mars/Olympus")
    assert refused.value.reason == "TIME_ZONE_UNKNOWN"


def test_a_practitioner_needs_a_clinic_and_hours_that_make_sense(surgery: Surgery) -> None:
    clinic = surgery.open_clinic()
    with pytest.raises(Invalid) as refused:
        surgery.employ(clinic, weekly_hours=weekly(600, 540))
    assert refused.value.reason == "HOURS_INVALID"
    assert {violation.rule for violation in refused.value.violations} == {"hours.order"}
    clinic.id = "cli_nothinghere"
    with pytest.raises(NotFound, match="CLINIC_NOT_FOUND"):
        surgery.employ(clinic)


def test_new_hours_count_from_now_on_and_appointments_stay(surgery: Surgery) -> None:
    practitioner = surgery.employ(surgery.open_clinic())
    surgery.offer(minutes=60)
    morning = surgery.slots()[0]
    booked = surgery.book(morning)
    changed = surgery.call(
        "SetPractitionerHours",
        practitioner_id=practitioner.id,
        weekly_hours=weekly(840, 900),
        exceptions=[differing(2026, 3, 3, (0, 60))],
    ).practitioner
    assert len(changed.weekly_hours) == 7
    assert changed.name == practitioner.name
    slots = surgery.slots(limit=2)
    hours = [slot.start_time.seconds - morning.start_time.seconds for slot in slots]
    assert hours == [5 * 3600, 15 * 3600]
    assert surgery.call("GetAppointment", appointment_id=booked.id).appointment == booked
    with pytest.raises(Invalid, match="HOURS_INVALID"):
        surgery.call(
            "SetPractitionerHours",
            practitioner_id=practitioner.id,
            exceptions=[differing(2026, 2, 30)],
        )
    with pytest.raises(NotFound, match="PRACTITIONER_NOT_FOUND"):
        surgery.call("SetPractitionerHours", practitioner_id="pra_nobodyhere")


def test_a_type_code_is_taken_once(surgery: Surgery) -> None:
    surgery.offer("well_visit")
    surgery.offer("office_visit")
    with pytest.raises(Conflict) as refused:
        surgery.offer("well_visit", 60)
    assert (refused.value.reason, refused.value.metadata["code"]) == ("CODE_TAKEN", "well_visit")
    kinds = surgery.call("ListAppointmentTypes").appointment_types
    assert [kind.code for kind in kinds] == ["office_visit", "well_visit"]
