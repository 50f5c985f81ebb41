"""What may be written down about a message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from observability.redaction import REDACTED, redact, written
from plexus.billing.v1 import billing_service_pb2 as billing
from plexus.billing.v1.payment_pb2 import PAYER_PATIENT
from plexus.contract import data_class, load
from plexus.contract.fields import DataClass
from plexus.records.v1 import records_service_pb2 as records
from plexus.type.v1.money_pb2 import Money

TEXT = "Zebulon Quist"
NUMBER = 77_140_931


def fill(message: Message, deep: int = 4) -> None:
    """Something in every field, as far down as *deep*."""
    for field in message.DESCRIPTOR.fields:
        holder = getattr(message, field.name)
        if field.message_type is None:
            value = filling(field)
            if field.is_repeated:
                holder.append(value)
            else:
                setattr(message, field.name, value)
        elif field.message_type.full_name.startswith("plexus.") and deep:
            fill(holder.add() if field.is_repeated else holder, deep - 1)


def filling(field: Any) -> Any:
    if field.type == field.TYPE_STRING:
        return TEXT
    if field.type == field.TYPE_BYTES:
        return TEXT.encode()
    if field.type == field.TYPE_BOOL:
        return True
    if field.enum_type is not None:
        return field.enum_type.values[-1].number
    closed = data_class(field) not in (DataClass.OPERATIONAL, DataClass.UNSPECIFIED)
    return NUMBER if closed else 1


@pytest.mark.parametrize(
    "message", load().messages, ids=lambda message: str(message.full_name.removeprefix("plexus."))
)
def test_of_no_message_is_anything_told_that_its_contract_does_not_call_operational(
    message: Descriptor,
) -> None:
    filled = GetMessageClass(message)()
    fill(filled)
    told = json.dumps(redact(filled), ensure_ascii=False, default=written)
    # Two assertions about presence: the message itself must not be shown when they fail.
    assert (TEXT in told, str(NUMBER) in told) == (False, False)


def test_ids_and_counts_are_told_and_the_rest_is_named() -> None:
    search = records.SearchPatientsRequest(name=TEXT, identifier="1", page_size=7)
    search.birth_date.year = 1901
    assert redact(search) == {
        "name": REDACTED,
        "birth_date": REDACTED,
        "identifier": REDACTED,
        "page_size": 7,
    }
    payment = billing.RecordPaymentRequest(
        claim_id="clm_00000000", amount=Money(currency="USD", minor_units=5), payer=PAYER_PATIENT
    )
    assert redact(payment) == {
        "claim_id": "clm_00000000",
        "payer": "PAYER_PATIENT",
        "amount": {"currency": "USD", "minor_units": REDACTED},
    }


@pytest.mark.parametrize("text", ["Zebulon", "pat_Zebulon!", "pat_zebulon\nQuist", " pat_00000000"])
def test_an_id_that_is_none_is_not_told(text: str) -> None:
    assert redact(records.GetPatientRequest(patient_id=text)) == {"patient_id": REDACTED}


def test_what_an_operational_field_leaves_to_its_caller_is_not_told() -> None:
    assert redact(billing.SubmitClaimRequest(request_id=TEXT)) == {"request_id": REDACTED}


def test_a_field_without_a_class_is_not_told() -> None:
    file = FileDescriptorProto(name="silent.proto", package="plexus.silent.v1")
    query = file.message_type.add(name="Query")
    query.field.add(name="plain", number=1, type=9, label=1)
    query.field.add(name="number", number=2, type=5, label=1)
    query.field.add(name="many", number=3, type=9, label=3)
    pool = DescriptorPool()
    pool.Add(file)
    kind = GetMessageClass(pool.FindMessageTypeByName("plexus.silent.v1.Query"))
    message = kind(plain=TEXT, number=NUMBER, many=[TEXT])
    assert redact(message) == {"plain": REDACTED, "number": REDACTED, "many": [REDACTED]}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (ValueError(TEXT), "ValueError"),
        (records.SearchPatientsRequest(name=TEXT), {"name": REDACTED}),
        ([records.SearchPatientsRequest(name=TEXT)], [{"name": REDACTED}]),
        ({"of": ValueError(TEXT)}, {"of": "ValueError"}),
        (TEXT.encode(), "bytes"),
        (object(), "object"),
        (3, 3),
        (None, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_of_what_a_log_line_is_handed_only_plain_values_are_told(value: object, told: Any) -> None:
    assert written(value) == told
