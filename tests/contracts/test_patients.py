"""Which patients a message names, found by the marks of its contract wherever they stand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from plexus.billing.v1.billing_service_pb2 import ListLedgerEntriesResponse, RecordPaymentResponse
from plexus.billing.v1.ledger_entry_pb2 import LedgerEntry
from plexus.contract import can_name_patient, load, patients
from plexus.contract.fields import inside, names_patient
from plexus.policy.v1 import policy_pb2
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


def filled(message: Descriptor, ids: Iterator[str], depth: int = 0) -> Any:
    """A message with two of everything repeated, and another id wherever a text can be."""
    made = GetMessageClass(message)()
    for field in message.fields:
        held = inside(field)
        if held is not None and depth < 6:
            for _ in range(2 if field.is_repeated else 1):
                part = filled(held, ids, depth + 1)
                place = getattr(made, field.name)
                place.add().CopyFrom(part) if field.is_repeated else place.CopyFrom(part)
        elif field.type == field.TYPE_STRING and field.is_repeated:
            getattr(made, field.name).extend([next(ids), next(ids)])
        elif field.type == field.TYPE_STRING:
            setattr(made, field.name, next(ids))
    return made


def walked(message: Any) -> Iterator[str]:
    """The marked ids, field by field."""
    for field in message.DESCRIPTOR.fields:
        value, held = getattr(message, field.name), inside(field)
        if names_patient(field):
            yield from value if field.is_repeated else filter(None, (value,))
        elif held is not None and field.is_repeated:
            for each in value:
                yield from walked(each)
        elif held is not None and message.HasField(field.name):
            yield from walked(value)


def messages() -> dict[str, Descriptor]:
    """Everything that is asked and answered."""
    methods = load().methods.values()
    every = [each for method in methods for each in (method.input, method.output)]
    return {each.full_name: each for each in every}


def test_in_every_message_of_the_contract_all_marked_ids_are_found_in_their_order() -> None:
    found = 0
    for message in messages().values():
        full = filled(message, (f"pat_{number:08}" for number in range(10**6)))
        assert list(patients(full)) == list(dict.fromkeys(walked(full))), message.full_name
        assert list(patients(GetMessageClass(message)())) == [], message.full_name
        found += bool(patients(full))
    assert found > 30


def test_a_message_that_holds_others_of_its_kind_is_looked_through() -> None:
    family = descriptor_pb2.DescriptorProto(name="Family")
    marked = family.field.add(name="patient_id", number=1, type="TYPE_STRING")
    marked.options.Extensions[policy_pb2.patient] = True
    for number, name in enumerate(("mother", "left"), 2):
        family.field.add(
            name=name, number=number, type="TYPE_MESSAGE", type_name="plexus.test.v1.Family"
        )
    file = descriptor_pb2.FileDescriptorProto(
        name="plexus/test/v1/family.proto", package="plexus.test.v1", syntax="proto3"
    )
    file.dependency.append(policy_pb2.DESCRIPTOR.name)
    file.message_type.append(family)
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
    made: Any = GetMessageClass(
        descriptor_pool.Default().FindMessageTypeByName("plexus.test.v1.Family")
    )
    daughter = made(patient_id=ONE, mother=made(left=made(patient_id=TWO)))
    assert list(patients(daughter)) == [ONE, TWO]
