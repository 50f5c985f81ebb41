"""Requests derived from the contracts: the valid ones with values in them, and every way to spoil them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from plexus.contract import DataClass, data_class
from plexus.contract.fields import inside
from tests.observability.canary.birds import Flock

CLOSED = frozenset({DataClass.PERSONAL, DataClass.CLINICAL, DataClass.FINANCIAL, DataClass.SECRET})
_TOO_LONG = 20_000
_DEEP = 5

# What a token, a count or an amount holds must fit the rest of the request.
_LEFT_ALONE = frozenset({"page_token", "minor_units"})


def seeded(message: Message, flock: Flock) -> Message:
    """*message* with a value in every field of it that is personal, clinical or financial."""
    _seed(message, flock, message.DESCRIPTOR.name, closed=False)
    return message


def _seed(message: Any, flock: Flock, place: str, *, closed: bool) -> None:
    for field in message.DESCRIPTOR.fields:
        here, hidden = f"{place}.{field.name}", closed or data_class(field) in CLOSED
        if field.message_type is not None:
            _seed_inside(message, field, flock, here, closed=hidden)
        elif field.name == "quantity":
            # It is at least one and has two digits at most: too small to be found again.
            message.quantity = message.quantity or 1
        elif hidden and field.name not in _LEFT_ALONE and field.type == field.TYPE_STRING:
            told = str(getattr(message, field.name)) if not field.is_repeated else ""
            # What a method needs to make sense of stays there.
            value = f"{told} {flock.text(here)}".strip()
            if field.is_repeated:
                getattr(message, field.name)[:] = [value]
            else:
                setattr(message, field.name, value)


def _seed_inside(
    message: Any, field: FieldDescriptor, flock: Flock, place: str, *, closed: bool
) -> None:
    kind: Any = field.message_type
    if kind.full_name == "plexus.type.v1.Date" and closed:
        year, month, day = map(int, flock.date(place).split("-"))
        date = getattr(message, field.name)
        date.year, date.month, date.day = year, month, day
    elif inside(field) is None or not _reveals(kind, closed):
        return
    elif field.is_repeated:
        held = getattr(message, field.name)
        if not held:
            held.add()
        for each in held:
            _seed(each, flock, place, closed=closed)
    else:
        _seed(getattr(message, field.name), flock, place, closed=closed)


def _reveals(descriptor: Any, closed: bool) -> bool:
    if closed:
        return True
    return any(
        data_class(field) in CLOSED
        or (inside(field) is not None and _reveals(field.message_type, closed=False))
        for field in descriptor.fields
        if field.message_type is None or field.message_type is not descriptor
    )


def spoiled(valid: Message, flock: Flock) -> Iterator[bytes]:
    """The request in bytes, each time spoiled by a value at one place, and by more than that."""
    for path in _leaves(valid.DESCRIPTOR):
        for value in _wrong(path[-1], flock, f"{valid.DESCRIPTOR.name}.{_name(path)}"):
            message = type(valid)()
            message.CopyFrom(valid)
            _put(message, path, value)
            yield message.SerializeToString()
    yield from _unreadable(valid.SerializeToString(), flock, valid.DESCRIPTOR.name)


def _unreadable(content: bytes, flock: Flock, place: str) -> Iterator[bytes]:
    value = flock.text(place).encode()
    length = bytes([len(value)])
    yield content + b"\x0a\x7f" + value  # a field that is longer than what is there
    yield value  # no message at all
    yield b"\x0a" + bytes([len(value) + 2]) + b"\xff\xfe" + value  # no UTF-8
    yield b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" + value  # no tag
    yield content + b"\xfa\xff\x03" + length + value  # a field that nobody knows


def _leaves(descriptor: Any, deep: int = _DEEP) -> Iterator[tuple[FieldDescriptor, ...]]:
    for field in descriptor.fields:
        if field.message_type is None:
            yield (field,)
        elif inside(field) is not None and deep:
            for path in _leaves(field.message_type, deep - 1):
                yield (field, *path)


def _wrong(field: FieldDescriptor, flock: Flock, place: str) -> Iterator[Any]:
    if field.type == field.TYPE_STRING:
        word = flock.text(place)
        yield word
        yield f'{word}\n"{word}" %s {{0}} <{word}> Ünï'
        yield word + "x" * _TOO_LONG
    elif field.type == field.TYPE_BYTES:
        yield flock.text(place).encode()
        yield b'{"resourceType": "' + flock.text(place).encode() + b'"}'
    elif field.enum_type is not None or field.type in (field.TYPE_INT32, field.TYPE_UINT32):
        yield flock.number(place, digits=9)
    elif field.type in (field.TYPE_INT64, field.TYPE_UINT64):
        yield flock.number(place)
        if field.type == field.TYPE_INT64:
            yield -flock.number(place)


def _put(message: Any, path: tuple[FieldDescriptor, ...], value: Any) -> None:
    *above, leaf = path
    for field in above:
        held = getattr(message, field.name)
        message = (held[0] if len(held) else held.add()) if field.is_repeated else held
    if leaf.is_repeated:
        getattr(message, leaf.name)[:] = [value]
    else:
        setattr(message, leaf.name, value)


def _name(path: tuple[FieldDescriptor, ...]) -> str:
    return ".".join(field.name for field in path)
