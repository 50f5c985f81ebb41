"""Which patients a message names, found by the marks of its contract wherever they stand."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from plexus.billing.v1.billing_service_pb2 import ListLedgerEntriesResponse, RecordPaymentResponse
from plexus.billing.v1.ledger_entry_pb2 import LedgerEntry
from plexus.contract import can_name_patient, patients
from plexus.records.v1.records_service_pb2 import (
    GetChartResponse,
    GetPatientRequest,
    ImportBundleResponse,
    SearchPatientsRequest,
)
from plexus.scheduling.v1.scheduling_service_pb2 import FindSlotsResponse

ONE, TWO = "pat_00000001", "pat_00000002"


def chart() -> GetChartResponse:
    response = GetChartResponse()
    response.chart.patient.id = ONE
    response.chart.encounters.add().id = TWO
    return response


def payment() -> RecordPaymentResponse:
    response = RecordPaymentResponse()
    response.claim.patient_id = ONE
    return response


@pytest.mark.parametrize(
    ("message", "named"),
    [
        (GetPatientRequest(patient_id=ONE), [ONE]),
        (GetPatientRequest(), []),
        (ImportBundleResponse(patient_ids=[TWO, ONE, TWO]), [TWO, ONE]),
        (
            ListLedgerEntriesResponse(
                entries=[LedgerEntry(patient_id=each) for each in (ONE, TWO, ONE)]
            ),
            [ONE, TWO],
        ),
        (chart(), [ONE]),
        (payment(), [ONE]),
        (FindSlotsResponse(), []),
        # What stands where an id should may be a name: it is not repeated.
        (GetPatientRequest(patient_id="Zebulon Pike"), []),
    ],
    ids=lambda each: each.DESCRIPTOR.name if isinstance(each, Message) else "",
)
def test_the_marked_ids_are_found_and_nothing_else(message: Message, named: list[str]) -> None:
    assert list(patients(message)) == named


def test_several_messages_of_one_call_name_a_patient_once() -> None:
    assert list(patients(GetPatientRequest(patient_id=ONE), chart())) == [ONE]


def test_a_message_that_cannot_name_a_patient_is_known_without_looking_at_one() -> None:
    assert can_name_patient(GetChartResponse.DESCRIPTOR)
    assert not can_name_patient(SearchPatientsRequest.DESCRIPTOR)
