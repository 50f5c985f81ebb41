"""Who touched what of a patient: taken in from journals, each once, and listed newest first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from mesh.persistence import Database, migrate
from plexus.errors import Invalid, Refused
from plexus.records.v1 import records_service_pb2 as api
from plexus.records.v1.access_pb2 import JournalAccess
from services.records.service import Records
from tests.servicing import Server

RECORDS = api.DESCRIPTOR.services_by_name["RecordsService"]
JOURNAL, OTHER = "jnl_00000001", "jnl_00000002"
ONE, TWO = "pat_00000001", "pat_00000002"
METHOD = "plexus.billing.v1.BillingService/GetClaim"


class Desk:
    """Records, told by services and asked from outside."""

    def __init__(self, database: Database) -> None:
        servicer = Records(database, lambda: datetime(2026, 5, 1, tzinfo=UTC))
        self._servers = {
            caller: Server(RECORDS, servicer, caller)
            for caller in ("edge", "billing", "triage", "operator")
        }

    def tell(
        self,
        after: int,
        through: int,
        *told: JournalAccess,
        caller: str = "billing",
        journal: str = JOURNAL,
    ) -> int:
        request = api.RecordAccessesRequest(
            journal_id=journal, after_sequence=after, through_sequence=through, accesses=told
        )
        answer: api.RecordAccessesResponse = self._servers[caller].call("RecordAccesses", request)
        return answer.sequence

    def page(self, patient: str = ONE, **more: object) -> api.ListAccessesResponse:
        request = api.ListAccessesRequest(patient_id=patient, **more)  # type: ignore[arg-type]
        answer: api.ListAccessesResponse = self._servers["edge"].call("ListAccesses", request)
        return answer

    def traces(self, patient: str = ONE, **more: object) -> list[int]:
        return [int(each.trace_id, 16) for each in self.page(patient, **more).accesses]


@pytest.fixture
def desk(database: Database) -> Desk:
    migrate(database, "services.records")
    return Desk(database)


def access(sequence: int, *patients: str, at: int = 0, outcome: str = "OK") -> JournalAccess:
    told = JournalAccess(sequence=sequence, patient_ids=patients or (ONE,))
    told.access.time.FromMicroseconds(1_777_000_000_000_000 + (at or sequence))
    told.access.method = METHOD
    told.access.caller = "edge"
    told.access.subject = "app_portal"
    told.access.outcome = outcome
    told.access.trace_id = f"{sequence:032x}"
    return told


def accesses(*sequences: int) -> Sequence[JournalAccess]:
    return [access(sequence) for sequence in sequences]


def test_an_access_is_listed_as_it_was_told_with_who_told_it(desk: Desk) -> None:
    told = access(2)
    assert desk.tell(0, 3, told) == 3
    (listed,) = desk.page().accesses
    told.access.service = "billing"
    assert listed == told.access


def test_an_access_to_several_is_listed_for_each(desk: Desk) -> None:
    desk.tell(0, 2, access(2, ONE, TWO))
    assert desk.traces(ONE) == desk.traces(TWO) == [2]


def test_what_is_told_again_is_not_listed_twice(desk: Desk) -> None:
    assert desk.tell(0, 4, *accesses(2, 3)) == 4
    assert desk.tell(0, 4, *accesses(2, 3)) == 4
    assert desk.tell(2, 6, *accesses(3, 5)) == 4
    assert desk.tell(4, 6, *accesses(5)) == 6
    assert desk.traces() == [5, 3, 2]


def test_asking_changes_nothing(desk: Desk) -> None:
    assert desk.tell(0, 0) == 0
    desk.tell(0, 5, *accesses(2))
    assert desk.tell(0, 0) == 5


def test_journals_and_services_do_not_get_in_each_others_way(desk: Desk) -> None:
    desk.tell(0, 5, *accesses(2))
    assert desk.tell(0, 0, journal=OTHER) == 0
    # A journal is its teller's: another service cannot move it.
    assert desk.tell(0, 9, *accesses(7), caller="triage") == 9
    assert desk.tell(0, 0) == 5
    assert desk.traces(service="triage") == [7]
    assert desk.traces(service="billing") == [2]


def test_accesses_come_newest_first_a_page_at_a_time(desk: Desk) -> None:
    desk.tell(0, 9, *(access(n, at=100 - n) for n in range(2, 9)))
    desk.tell(0, 9, *(access(n + 20, at=100 - n) for n in (2, 3)), journal=OTHER)
    everything = desk.traces()
    assert everything == [22, 2, 23, 3, 4, 5, 6, 7, 8]
    seen: list[int] = []
    token = ""
    while True:
        answer = desk.page(page_size=2, page_token=token)
        seen += [int(each.trace_id, 16) for each in answer.accesses]
        token = answer.next_page_token
        if not token:
            break
    assert seen == everything


def test_a_page_token_is_good_for_its_patient_only(desk: Desk) -> None:
    desk.tell(0, 9, *accesses(2, 3))
    token = desk.page(page_size=1).next_page_token
    with pytest.raises(Invalid) as refusal:
        desk.page(TWO, page_token=token)
    assert refusal.value.reason == "PAGE_TOKEN_INVALID"


def test_only_services_with_journals_tell(desk: Desk) -> None:
    for caller in ("edge", "operator"):
        with pytest.raises(Refused):
            desk.tell(0, 2, access(2), caller=caller)
    assert desk.traces() == []
