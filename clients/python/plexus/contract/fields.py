"""What a field reveals and what is asked of its value, read from its options."""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING

# Before any options are read: an extension that is imported later stays unknown to them.
from buf.validate import validate_pb2 as validate

from plexus.contract.vocabulary import OWN
from plexus.policy.v1 import policy_pb2 as policy

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor


class DataClass(IntEnum):
    """What a field reveals. Only OPERATIONAL is ever written down."""

    UNSPECIFIED = 0
    OPERATIONAL = 1
    PERSONAL = 2
    CLINICAL = 3
    FINANCIAL = 4
    SECRET = 5


def data_class(field: FieldDescriptor) -> DataClass:
    """The class the field states; UNSPECIFIED when it states none."""
    return DataClass(field.GetOptions().Extensions[policy.data_class])


def names_patient(field: FieldDescriptor) -> bool:
    """Whether the field holds the id, or the ids, of the patients its message is about."""
    return bool(field.GetOptions().Extensions[policy.patient])


def is_loggable(field: FieldDescriptor) -> bool:
    """Whether a value of the field may be written to a log, span, metric or error."""
    return data_class(field) is DataClass.OPERATIONAL


def inside(field: FieldDescriptor) -> Descriptor | None:
    """The message of ours that the field holds, whose fields state their own classes.

    None for a map: its entry is a message that nobody writes, so the map itself must state a class.
    """
    message = field.message_type
    if message is None or not message.full_name.startswith(OWN):
        return None
    return None if message.GetOptions().map_entry else message


def reveals(field: FieldDescriptor) -> frozenset[DataClass]:
    """Every class that a value of the field can hold, down to the last field inside it."""
    stated, message = data_class(field), inside(field)
    return frozenset({stated}) if stated or message is None else contents(message)


@cache
def contents(message: Descriptor) -> frozenset[DataClass]:
    """Every class that a value of the message can hold, down to the last field inside it."""
    found: set[DataClass] = set()
    waiting, seen = [message], {message.full_name}
    while waiting:
        for field in waiting.pop().fields:
            stated, held = data_class(field), inside(field)
            if stated or held is None:
                found.add(stated)
            elif held.full_name not in seen:
                seen.add(held.full_name)
                waiting.append(held)
    return frozenset(found)


def pattern(field: FieldDescriptor) -> str:
    """The pattern that the string, or each string of the list, must match; empty when none."""
    rules = field.GetOptions().Extensions[validate.field]
    return str((rules.repeated.items if field.is_repeated else rules).string.pattern)
