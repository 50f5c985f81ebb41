"""What a field reveals, read from its option."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from plexus.policy.v1 import policy_pb2 as policy

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor


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
