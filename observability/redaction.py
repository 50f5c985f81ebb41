"""What may be written down about a message: the names of its fields, the values of few.

protobuf's own `str()`, `repr()` and JSON print everything. Nothing but this module turns a message
into text for a log, span, metric or error.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from plexus.contract import DataClass, data_class, is_loggable

REDACTED = "·"

Render = Callable[[Any], object]


def redact(message: Message) -> dict[str, object]:
    """The fields that are set: operational values as they are, `·` in place of every other."""
    plan = _plan(message.DESCRIPTOR)
    return {field.name: plan[field.name](value) for field, value in message.ListFields()}


@cache
def _plan(descriptor: Descriptor) -> dict[str, Render]:
    return {field.name: _renderer(field) for field in descriptor.fields}


def _renderer(field: FieldDescriptor) -> Render:
    if data_class(field) not in (DataClass.UNSPECIFIED, DataClass.OPERATIONAL):
        return _hide
    if field.message_type is None:
        render: Render = _keep if is_loggable(field) else _hide
    elif field.message_type.full_name.startswith("google.protobuf."):
        render = _text if is_loggable(field) else _hide
    elif field.message_type.GetOptions().map_entry:
        return _hide
    else:
        render = redact
    return (lambda values: [render(value) for value in values]) if field.is_repeated else render


def _keep(value: object) -> object:
    return value


def _hide(_: object) -> object:
    return REDACTED


def _text(value: Any) -> object:
    # Timestamps and durations; anything else of Google's has no short text of its own.
    return value.ToJsonString() if hasattr(value, "ToJsonString") else REDACTED
