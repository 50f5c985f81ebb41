"""Which patients a message is about: the ids in the fields that its contract marks `patient`."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from plexus.contract.fields import inside, names_patient

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

# What is no id is no id of a patient, and may be anything: it came from outside.
_ID: Final = re.compile(r"[a-z]{2,5}_[a-z0-9]{8,40}")


class _Step(NamedTuple):
    """A field to look at: an id, or a message that leads to one."""

    name: str
    many: bool
    leads_on: bool


def patients(*messages: Message) -> dict[str, None]:
    """The ids of the patients that *messages* name, each once, in the order in which they stand."""
    found: dict[str, None] = {}
    for message in messages:
        _collect(message, found)
    return found


@cache
def can_name_patient(message: Descriptor) -> bool:
    """Whether some field of the message, or of a message inside it, holds the id of a patient."""
    waiting, seen = [message], {message.full_name}
    while waiting:
        for field in waiting.pop().fields:
            if names_patient(field):
                return True
            held = inside(field)
            if held is not None and held.full_name not in seen:
                seen.add(held.full_name)
                waiting.append(held)
    return False


def _collect(message: Any, found: dict[str, None]) -> None:
    for name, many, leads_on in _plan(message.DESCRIPTOR):
        if many:
            values = getattr(message, name)
        elif leads_on:
            values = (getattr(message, name),) if message.HasField(name) else ()
        else:
            values = (getattr(message, name),)
        for value in values:
            if leads_on:
                _collect(value, found)
            elif value not in found and _ID.fullmatch(value):
                found[value] = None


@cache
def _plan(message: Descriptor) -> tuple[_Step, ...]:
    return tuple(_step(field) for field in message.fields if _leads_to_patient(field))


def _step(field: FieldDescriptor) -> _Step:
    return _Step(field.name, field.is_repeated, leads_on=not names_patient(field))


def _leads_to_patient(field: FieldDescriptor) -> bool:
    held = inside(field)
    return names_patient(field) or (held is not None and can_name_patient(held))
