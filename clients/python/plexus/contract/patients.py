"""Which patients a message is about: the ids in the fields that its contract marks `patient`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from plexus.contract.fields import inside, names_patient

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

# What is no id is no id of a patient, and may be anything: it came from outside.
_ID: Final = re.compile(r"[a-z]{2,5}_[a-z0-9]{8,40}")


class _Place(NamedTuple):
    """Where to look: ids, or messages that lead to some. *get* takes it out of the message."""

    get: Callable[[Any], Any]
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
    for get, many, leads_on in _places(message.DESCRIPTOR):
        held = get(message)
        if leads_on:
            for each in held:
                _collect(each, found)
            continue
        for value in held if many else (held,):
            if value and value not in found and _ID.fullmatch(value):
                found[value] = None


@cache
def _places(message: Descriptor) -> tuple[_Place, ...]:
    return tuple(_found_in(message, "", {message.full_name}))


def _found_in(message: Descriptor, way: str, around: set[str]) -> Iterator[_Place]:
    """The places in *message*, to which *way* leads through fields that hold one message each.

    What such a field does not hold reads as empty: it need not be asked for. Only what is inside
    itself must be, *around* being what leads there.
    """
    for field in filter(_leads_to_patient, message.fields):
        held, name = inside(field), way + field.name
        if names_patient(field) or held is None:
            yield _Place(attrgetter(name), field.is_repeated, leads_on=False)
        elif field.is_repeated:
            yield _Place(attrgetter(name), many=True, leads_on=True)
        elif held.full_name in around:
            yield _Place(_if_there(way, field.name), many=True, leads_on=True)
        else:
            yield from _found_in(held, f"{name}.", around | {held.full_name})


def _if_there(way: str, name: str) -> Callable[[Any], Any]:
    holder: Callable[[Any], Any] = attrgetter(way[:-1]) if way else _itself

    def get(message: Any) -> tuple[Any, ...]:
        held = holder(message)
        return (getattr(held, name),) if held.HasField(name) else ()

    return get


def _itself(message: Any) -> Any:
    return message


def _leads_to_patient(field: FieldDescriptor) -> bool:
    held = inside(field)
    return names_patient(field) or (held is not None and can_name_patient(held))
