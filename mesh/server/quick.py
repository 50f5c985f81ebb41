"""A quick look at whether a message keeps its rules. Most requests do, and most rules are simple.

protovalidate has the last word: what this does not find in order is shown to it. It serialises the message,
reads it again and evaluates expressions, for what is mostly one pattern and a few lengths. Only what
is written here is understood, as protovalidate's rules (buf/validate/validate.proto) say it; a
message with any other rule in it is never looked at here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, Final, TypeAlias

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

Check: TypeAlias = Callable[[Any], bool]
"""Whether a value is certainly in order."""

_KINDS: Final = frozenset({"string", "bytes", "enum", "int32", "int64", "uint32", "uint64"})
# Means the same to RE2 as to `re`, and has no `|` outside of parentheses.
_PLAIN: Final = re.compile(r"\^([a-zA-Z0-9_{},?()\[\]-]|\[[a-z0-9_.-]+\])*\$")


class UnknownRule(Exception):
    """A rule that is not understood here."""


def quick(message: Descriptor) -> Check | None:
    """What is True only of messages of the type that break no rule; None when there is no telling."""
    try:
        return _message(message, frozenset())
    except UnknownRule:
        return None


def _message(message: Descriptor, around: frozenset[str]) -> Check:
    options = message.GetOptions()
    stated: list[Message] = [options.Extensions[validate_pb2.message]]
    stated += [each.GetOptions().Extensions[validate_pb2.oneof] for each in message.oneofs]
    if options.map_entry or any(each.ListFields() for each in stated):
        raise UnknownRule
    if message.full_name in around:
        raise UnknownRule
    around |= {message.full_name}
    checks = tuple(chain.from_iterable(_field(field, around) for field in message.fields))
    if len(checks) == 1:
        return checks[0]
    return lambda value: all(check(value) for check in checks)


def _field(field: FieldDescriptor, around: frozenset[str]) -> Iterator[Check]:
    """The checks of a message for one of its fields; none when anything will do."""
    rules = _stated(field.GetOptions().Extensions[validate_pb2.field])
    required, name = rules.pop("required", False), field.name
    check = _list(field, rules, around) if field.is_repeated else _single(field, rules, around)
    if field.has_presence:
        if required:
            yield lambda message: message.HasField(name)
        if check is not None:
            kept = check
            yield lambda message: not message.HasField(name) or kept(getattr(message, name))
        return
    if required:
        yield lambda message: bool(getattr(message, name))
    if check is not None:
        kept = check
        yield lambda message: kept(getattr(message, name))


def _list(field: FieldDescriptor, rules: dict[str, Any], around: frozenset[str]) -> Check | None:
    stated = _stated(rules.pop("repeated", None))
    least, most = stated.pop("min_items", 0), stated.pop("max_items", 2**63)
    one = _single(field, _stated(stated.pop("items", None)), around)
    _exhausted(rules, stated)
    if one is None:
        return (lambda held: least <= len(held) <= most) if (least, most) != (0, 2**63) else None
    check = one
    return lambda held: least <= len(held) <= most and all(map(check, held))


def _single(field: FieldDescriptor, rules: dict[str, Any], around: frozenset[str]) -> Check | None:
    if field.message_type is not None:
        _exhausted(rules)
        check = _message(field.message_type, around)
        return check if _has_rules(field.message_type, frozenset()) else None
    if not rules:
        return None
    (kind, stated), *more = rules.items()
    if more or kind not in _KINDS:
        raise UnknownRule
    told = _stated(stated)
    if kind == "string":
        check = _text(told)
    elif kind == "bytes":
        check = _length(told)
    elif kind == "enum":
        check = _choice(field, told)
    else:
        check = _number(told)
    _exhausted(told)
    return check


def _text(told: dict[str, Any]) -> Check:
    stated = told.pop("pattern", None)
    if stated is None:
        return _length(told)
    if not _PLAIN.fullmatch(stated):
        raise UnknownRule
    matches, fits = re.compile(stated[1:-1], re.ASCII).fullmatch, _length(told)
    return lambda text: matches(text) is not None and fits(text)


def _length(told: dict[str, Any]) -> Check:
    least, most = told.pop("min_len", 0), told.pop("max_len", 2**63)
    return lambda held: least <= len(held) <= most


def _choice(field: FieldDescriptor, told: dict[str, Any]) -> Check:
    forbidden = frozenset(told.pop("not_in", ()))
    if told.pop("defined_only", False) and field.enum_type is not None:
        return frozenset(field.enum_type.values_by_number).difference(forbidden).__contains__
    return lambda number: number not in forbidden


def _number(told: dict[str, Any]) -> Check:
    least = told.pop("gte", -(2**63))
    most = told.pop("lte", 2**64)
    if (above := told.pop("gt", None)) is not None:
        least = above + 1
    if (below := told.pop("lt", None)) is not None:
        most = below - 1
    if least > most:
        # protovalidate means all but what is between them.
        raise UnknownRule
    return lambda number: least <= number <= most


def _stated(rules: Any) -> dict[str, Any]:
    return {} if rules is None else {field.name: value for field, value in rules.ListFields()}


def _exhausted(*rules: Mapping[str, Any]) -> None:
    if any(rules):
        raise UnknownRule


def _has_rules(message: Descriptor, around: frozenset[str]) -> bool:
    if message.full_name in around:
        return False
    return any(
        field.GetOptions().Extensions[validate_pb2.field].ListFields()
        or (
            field.message_type is not None
            and _has_rules(field.message_type, around | {message.full_name})
        )
        for field in message.fields
    )
