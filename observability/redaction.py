"""What may be written down about a message: the names of its fields, the values of few.

protobuf's own `str()`, `repr()` and JSON print everything. Nothing but this module turns a message,
or any other value that a log line was handed, into text for a log, span, metric or error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from enum import Enum
from functools import cache
from pathlib import PurePath
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from plexus.contract import DataClass, data_class, is_loggable
from plexus.contract.fields import pattern

REDACTED = "·"

Render = Callable[[Any], object]


def redact(message: Message) -> dict[str, object]:
    """The fields that are set: operational values as they are, `·` in place of every other.

    A text is kept only if its contract gives it a pattern and it matches: where anything may be
    typed, anything is typed.
    """
    plan = _plan(message.DESCRIPTOR)
    return {field.name: plan[field.name](value) for field, value in message.ListFields()}


def written(value: object) -> object:
    """*value* as a log line may hold it: messages redacted, exceptions by type, else what JSON has.

    Text is kept: who hands a text to a log answers for it. Of an object that is neither, only the
    name of its type is told.
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Message):
        return redact(value)
    if isinstance(value, Mapping):
        return {str(written(key)): written(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [written(each) for each in value]
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, datetime | date | timedelta | PurePath):
        return str(value)
    return type(value).__name__


@cache
def _plan(descriptor: Descriptor) -> dict[str, Render]:
    return {field.name: _renderer(field) for field in descriptor.fields}


def _renderer(field: FieldDescriptor) -> Render:
    if data_class(field) not in (DataClass.UNSPECIFIED, DataClass.OPERATIONAL):
        return _hide
    if field.message_type is None:
        render: Render = _scalar(field) if is_loggable(field) else _hide
    elif field.message_type.full_name.startswith("google.protobuf."):
        render = _text if is_loggable(field) else _hide
    elif field.message_type.GetOptions().map_entry:
        return _hide
    else:
        render = redact
    return (lambda values: [render(value) for value in values]) if field.is_repeated else render


def _scalar(field: FieldDescriptor) -> Render:
    if field.enum_type is not None:
        names = {value.number: value.name for value in field.enum_type.values}
        return lambda number: names.get(number, number)
    if field.type == field.TYPE_BYTES:
        return _hide
    if field.type == field.TYPE_STRING:
        return _matching(pattern(field))
    return _keep


def _matching(stated: str) -> Render:
    if not stated:
        return _hide
    matches = re.compile(stated).search
    return lambda text: text if matches(text) else REDACTED


def _keep(value: object) -> object:
    return value


def _hide(_: object) -> object:
    return REDACTED


def _text(value: Any) -> object:
    # Timestamps and durations; anything else of Google's has no short text of its own.
    try:
        return value.ToJsonString() if hasattr(value, "ToJsonString") else REDACTED
    except ValueError:
        # Beyond the year 9999: what cannot be told is no reason for the call to fail.
        return REDACTED
