"""The comments of the contracts, by full name, read from an image that keeps them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

# A path as SourceCodeInfo writes it: field numbers and indexes, down from the file.
Place: TypeAlias = tuple[int, ...]
Named: TypeAlias = Iterator[tuple[Place, str]]

_FILE = FileDescriptorProto.DESCRIPTOR.fields_by_name
_MESSAGE = DescriptorProto.DESCRIPTOR.fields_by_name
_MESSAGES, _ENUMS, _SERVICES = (
    _FILE[name].number for name in ("message_type", "enum_type", "service")
)
_FIELDS, _NESTED, _INNER_ENUMS = (
    _MESSAGE[name].number for name in ("field", "nested_type", "enum_type")
)
_VALUES = EnumDescriptorProto.DESCRIPTOR.fields_by_name["value"].number
_METHODS = ServiceDescriptorProto.DESCRIPTOR.fields_by_name["method"].number


def files(image: Path) -> list[FileDescriptorProto]:
    """The files of an image that are ours, in order."""
    every = FileDescriptorSet.FromString(image.read_bytes())
    return [file for file in every.file if file.package.startswith("plexus.")]


def comments(image: Path) -> Mapping[str, str]:
    """Full name → leading comment, paragraphs kept. Methods are `pkg.Service/Name`.

    An enum's value is `pkg.Enum.VALUE`, though protobuf itself names it beside its enum.
    """
    found: dict[str, str] = {}
    for file in files(image):
        names = dict(_names(file))
        for location in file.source_code_info.location:
            if (name := names.get(tuple(location.path))) and location.leading_comments:
                found[name] = _unwrapped(location.leading_comments)
    return found


def _names(file: FileDescriptorProto) -> Named:
    for index, message in enumerate(file.message_type):
        yield from _message((_MESSAGES, index), file.package, message)
    for index, enum in enumerate(file.enum_type):
        yield from _enum((_ENUMS, index), file.package, enum)
    for index, service in enumerate(file.service):
        place, name = (_SERVICES, index), f"{file.package}.{service.name}"
        yield place, name
        for number, method in enumerate(service.method):
            yield (*place, _METHODS, number), f"{name}/{method.name}"


def _message(place: Place, scope: str, message: DescriptorProto) -> Named:
    name = f"{scope}.{message.name}"
    yield place, name
    for index, field in enumerate(message.field):
        yield (*place, _FIELDS, index), f"{name}.{field.name}"
    for index, inner in enumerate(message.nested_type):
        yield from _message((*place, _NESTED, index), name, inner)
    for index, enum in enumerate(message.enum_type):
        yield from _enum((*place, _INNER_ENUMS, index), name, enum)


def _enum(place: Place, scope: str, enum: EnumDescriptorProto) -> Named:
    name = f"{scope}.{enum.name}"
    yield place, name
    for index, value in enumerate(enum.value):
        yield (*place, _VALUES, index), f"{name}.{value.name}"


def _unwrapped(comment: str) -> str:
    paragraphs = "\n".join(line.strip() for line in comment.splitlines()).split("\n\n")
    return "\n\n".join(" ".join(text.split()) for text in paragraphs if text.strip())
