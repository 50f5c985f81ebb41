"""What a field reveals and what is asked of its value, read from its options."""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING

# Before any options are read: an extension that is imported later stays unknown to them.
from buf.validate import validate_pb2 as validate

from plexus.contract.reader import OWN
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


def is_loggable(field: FieldDescriptor) -> bool:
    """Whether a value of the field may be written to a log, span, metric or error."""
    return data_class(field) is DataClass.OPERATIONAL


def leaves_it_to_its_fields(field: FieldDescriptor) -> bool:
    """Whether the field holds a message of ours, whose own fields state their classes.

    A map does not: its entry is a message that nobody writes, so the map itself must state one.
    """
    message = field.message_type
    return (
        message is not None
        and message.full_name.startswith(OWN)
        and not message.GetOptions().map_entry
    )


def reveals(field: FieldDescriptor) -> frozenset[DataClass]:
    """Every class that a value of the field can hold, down to the last field inside it."""
    stated = data_class(field)
    if stated or not leaves_it_to_its_fields(field):
        return frozenset({stated})
    return _revealed_by(field.message_type)


@cache
def _revealed_by(message: Descriptor) -> frozenset[DataClass]:
    found: set[DataClass] = set()
    open_, seen = [message], {message.full_name}
    while open_:
        for field in open_.pop().fields:
            stated = data_class(field)
            if stated or not leaves_it_to_its_fields(field):
                found.add(stated)
            elif field.message_type.full_name not in seen:
                seen.add(field.message_type.full_name)
                open_.append(field.message_type)
    return frozenset(found)


def pattern(field: FieldDescriptor) -> str:
    """The pattern that the string, or each string of the list, must match; empty when none."""
    rules = field.GetOptions().Extensions[validate.field]
    return str((rules.repeated.items if field.is_repeated else rules).string.pattern)
