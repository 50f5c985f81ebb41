"""Proofs about what must be stated: policies, classes, request ids, rules, codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from plexus.contract.errors import code
from plexus.contract.fields import DataClass, data_class, inside, names_patient, pattern
from plexus.contract.patients import can_name_patient
from plexus.contract.reader import Audience, Contract, Criticality, Method
from plexus.contract.violation import Violation

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

REQUEST_ID = "request_id"
PATIENT_IDS = ("patient_id", "patient_ids")
_ID_CLASS = DataClass.OPERATIONAL


def missing_policies(contract: Contract) -> Iterator[Violation]:
    """Methods that do not state how long they take or when they are shed."""
    for method in contract.methods.values():
        if not method.stated:
            lacking = [
                *([] if method.deadline else ["deadline_ms"]),
                *([] if method.criticality is not Criticality.UNSPECIFIED else ["criticality"]),
            ]
            yield _method(
                "method-without-policy",
                method,
                f"states no {' and no '.join(lacking)}",
                "state both in `option (plexus.policy.v1.method)`",
            )


def writes_without_request_id(contract: Contract) -> Iterator[Violation]:
    """Methods with effects whose request cannot be recognised when it comes again."""
    for method in contract.methods.values():
        if not method.read_only and not method.takes_request_id:
            yield _method(
                "write-without-request-id",
                method,
                f"has effects, and {method.input.name} carries no request_id",
                f"add `string request_id` to {method.input.name}, or state "
                "`option idempotency_level = NO_SIDE_EFFECTS` when it changes nothing",
            )


def unclassified_fields(contract: Contract) -> Iterator[Violation]:
    """Fields that do not say what they reveal. One that holds a message of ours may leave it."""
    for message in contract.messages:
        if message.GetOptions().map_entry:
            continue
        for field in message.fields:
            if not data_class(field) and inside(field) is None:
                yield _field(
                    "unclassified-field",
                    message,
                    field,
                    "does not say what it reveals, so it is redacted everywhere",
                    "state `(plexus.policy.v1.data_class)`",
                )


def unchecked_ids(contract: Contract) -> Iterator[Violation]:
    """Ids in requests, and in what requests hold, that any string would pass for.

    A request id is the client's own and has only a length.
    """
    for message in _asked(contract):
        for field in message.fields:
            is_id = field.name.endswith(("_id", "_ids")) and field.name != REQUEST_ID
            if is_id and field.type == field.TYPE_STRING and not pattern(field):
                yield _field(
                    "unchecked-id",
                    message,
                    field,
                    "is an id that may be any string",
                    "state its pattern, such as "
                    '`(buf.validate.field).string.pattern = "^pat_[a-z0-9]{8,40}$"`',
                )


def unmarked_patients(contract: Contract) -> Iterator[Violation]:
    """Ids of patients that audit records would not find, and marks on what is no id."""
    for message in contract.messages:
        for field in message.fields:
            is_text = field.type == field.TYPE_STRING
            if is_text and field.name in PATIENT_IDS and not names_patient(field):
                yield _field(
                    "unmarked-patient",
                    message,
                    field,
                    "is the id of a patient and does not say so, so audit records do not name them",
                    "state `(plexus.policy.v1.patient) = true`",
                )
            if names_patient(field) and not (is_text and data_class(field) == _ID_CLASS):
                yield _field(
                    "unmarked-patient",
                    message,
                    field,
                    "is marked as the id of a patient, and is no operational string",
                    "mark the field that holds the opaque id",
                )


def unnamed_patients(contract: Contract) -> Iterator[Violation]:
    """Audited methods whose records could not say whom a call was about.

    What is not classified has a proof of its own.
    """
    for method in contract.methods.values():
        revealed = (method.touches - {DataClass.UNSPECIFIED}) if method.audited else frozenset()
        named = can_name_patient(method.input) or can_name_patient(method.output)
        if revealed and not named and not method.names_nobody.strip():
            told = ", ".join(each.name.lower() for each in sorted(revealed))
            yield _method(
                "unnamed-patient",
                method,
                f"touches {told} data, and neither request nor response names the patient",
                f"mark a patient's id in {method.input.name} or {method.output.name} with "
                '`(plexus.policy.v1.patient) = true`, or state `names_nobody: "…"` and why',
            )


def access_logs_beyond_one(contract: Contract) -> Iterator[Violation]:
    """A second method that audit records are told to: half of them would be missing in each."""
    logs = [m for m in contract.methods.values() if m.audience is Audience.AUDITED]
    for method in logs[1:]:
        yield _method(
            "second-access-log",
            method,
            f"is open to every service with audited methods, as {logs[0].path} is",
            "keep one of them",
        )


def errors_without_code(contract: Contract) -> Iterator[Violation]:
    """Reasons for failing that do not say how they travel."""
    for enum in contract.error_enums:
        for value in enum.values:
            if value.number and not code(value):
                yield Violation(
                    file=enum.file.name,
                    method_or_field=f"{enum.full_name}.{value.name}",
                    proof="error-without-code",
                    what="states no gRPC status code",
                    mend="state `[(plexus.policy.v1.error) = {code: …}]`",
                )


def _asked(contract: Contract) -> Iterator[Descriptor]:
    """Every message of ours that some request is or holds, each once."""
    waiting = [method.input for method in contract.methods.values()]
    seen: set[str] = set()
    while waiting:
        message = waiting.pop()
        if message.full_name not in seen:
            seen.add(message.full_name)
            yield message
            waiting += [held for field in message.fields if (held := inside(field))]


def _method(proof: str, method: Method, what: str, mend: str) -> Violation:
    return Violation(
        file=method.file, method_or_field=method.path, proof=proof, what=what, mend=mend
    )


def _field(
    proof: str, message: Descriptor, field: FieldDescriptor, what: str, mend: str
) -> Violation:
    file = message.file.name
    return Violation(file=file, method_or_field=field.full_name, proof=proof, what=what, mend=mend)
