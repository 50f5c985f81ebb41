"""The quick look at a request lets nothing pass that breaks a rule."""

from __future__ import annotations

from random import Random
from typing import Any

import protovalidate
import pytest
from buf.validate import validate_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from mesh.server.quick import quick
from plexus.contract import load

LENGTHS = (0, 1, 2, 3, 9, 63, 64, 65, 255, 256, 257, 512, 513)
NUMBERS = (0, 1, 2, 7, 100, 101, 1000, 1001, 2**31 - 1)
TEXTS = (
    "",
    "2026",
    "EUR",
    "edge",
    "a-b",
    "a_b",
    "SLOT_TAKEN",
    "0" * 32,
    "0" * 64,
    "\u0660" * 8,
    "é" * 300,
)
PREFIXES = ("pat", "app", "clm", "pra", "jnl", "cnv", "cli", "apt")


def text(random: Random) -> str:
    kind = random.random()
    if kind < 0.6:
        made = f"{random.choice(PREFIXES)}_{random.choice(('0000000', '00000001', 'a' * 41))}"
    elif kind < 0.8:
        made = random.choice(TEXTS)
    else:
        made = "x" * random.choice(LENGTHS)
    return made + random.choice(("", "", "", "", "\n", "\0", "é"))


def value(field: FieldDescriptor, random: Random) -> Any:
    if field.type == field.TYPE_STRING:
        return text(random)
    if field.type == field.TYPE_BYTES:
        return b"x" * random.choice((0, 1, 1024, 1048576, 1048577))
    if field.type == field.TYPE_BOOL:
        return random.random() < 0.5
    if field.type == field.TYPE_ENUM:
        return random.choice((0, 1, 2, 99))
    return random.choice(NUMBERS)


def made(message: Descriptor, random: Random, depth: int = 0) -> Any:
    """A message of the type, each field of which is absent, about right, or wrong."""
    result = GetMessageClass(message)()
    for field in message.fields:
        if depth > 4 or random.random() < 0.2:
            continue
        many = random.choice((0, 1, 2)) if field.is_repeated else 1
        for _ in range(many):
            if field.message_type is not None:
                part = made(field.message_type, random, depth + 1)
                place = getattr(result, field.name)
                place.add().CopyFrom(part) if field.is_repeated else place.CopyFrom(part)
            elif field.is_repeated:
                getattr(result, field.name).append(value(field, random))
            else:
                setattr(result, field.name, value(field, random))
    return result


def inputs() -> dict[str, Descriptor]:
    return {each.input.full_name: each.input for each in load().methods.values()}


def test_what_passes_at_a_glance_breaks_no_rule_whatever_the_request() -> None:
    validator, random = protovalidate.Validator(), Random(7)
    looked, passed, both = 0, 0, 0
    for name, message in inputs().items():
        in_order = quick(message)
        if in_order is None:
            continue
        looked += 1
        for _ in range(150):
            request = made(message, random)
            sure, broken = in_order(request), bool(validator.collect_violations(request))
            # Where it is understood at all, it is understood wholly.
            assert sure is not broken, name
            passed += sure
            both += broken
    assert (looked > 30, passed > 500, both > 500) == (True, True, True)


def type_with(name: str, field: dict[str, Any], rules: Any) -> Descriptor:
    """A message with one field under *rules*, which may be the message's own."""
    message = descriptor_pb2.DescriptorProto(name="Ruled")
    added = message.field.add(**{"name": "held", "number": 1, "type": "TYPE_STRING", **field})
    if isinstance(rules, validate_pb2.MessageRules):
        message.options.Extensions[validate_pb2.message].CopyFrom(rules)
    else:
        added.options.Extensions[validate_pb2.field].CopyFrom(rules)
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{name}.proto", package=f"test.quick.{name}", syntax="proto3"
    )
    file.dependency.append(validate_pb2.DESCRIPTOR.name)
    file.message_type.append(message)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindMessageTypeByName(f"test.quick.{name}.Ruled")


def ruled(**rules: Any) -> validate_pb2.FieldRules:
    return validate_pb2.FieldRules(**rules)


RULE = {"id": "x", "message": "x", "expression": "true"}


@pytest.mark.parametrize(
    ("name", "field", "rules"),
    [
        ("email", {}, ruled(string={"email": True})),
        ("alternatives", {}, ruled(string={"pattern": "^a|b$"})),
        ("unanchored", {}, ruled(string={"pattern": "[a-z]+"})),
        ("classes", {}, ruled(string={"pattern": r"^\w{3}$"})),
        ("expression", {}, ruled(cel=[RULE])),
        ("own", {}, validate_pb2.MessageRules(cel=[validate_pb2.Rule(**RULE)])),
        ("ignored", {}, ruled(ignore="IGNORE_ALWAYS", string={"max_len": 1})),
        ("outside", {"type": "TYPE_INT32"}, ruled(int32={"lt": 1, "gt": 5})),
        ("double", {"type": "TYPE_DOUBLE"}, ruled(double={"lt": 1})),
        (
            "unique",
            {"label": "LABEL_REPEATED"},
            ruled(repeated={"unique": True}),
        ),
    ],
)
def test_rules_that_are_not_understood_are_left_to_who_does(
    name: str, field: dict[str, Any], rules: Any
) -> None:
    assert quick(type_with(name, field, rules)) is None
