"""Holds every request to the rules of its contract, so that handlers only see well-formed ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import protovalidate
from google.protobuf.message_factory import GetMessageClass

from mesh.server.incoming import Handle, Incoming, Parts
from mesh.server.quick import quick
from plexus.contract import Method
from plexus.errors import Fault, Violation
from plexus.type.v1.errors_pb2 import PlatformError

_validator = protovalidate.Validator()


def validate(method: Method, parts: Parts, proceed: Handle) -> Handle:
    """Refuse with REQUEST_INVALID what breaks a rule, naming every field and rule and no value."""
    del parts
    # The first validation of a type compiles its rules, for about 11 ms: not at a caller's cost.
    _validator.collect_violations(GetMessageClass(method.input)())

    in_order = quick(method.input)

    def one(request: Any) -> Any:
        if in_order is not None and in_order(request):
            return request
        if broken := _validator.collect_violations(request):
            raise Fault(
                PlatformError,
                PlatformError.PLATFORM_ERROR_REQUEST_INVALID,
                violations=tuple(map(_violation, broken)),
            )
        return request

    def many(requests: Iterable[Any]) -> Iterator[Any]:
        return map(one, requests)

    check: Callable[[Any], Any] = many if method.client_streaming else one

    def handle(incoming: Incoming) -> Any:
        incoming.request = check(incoming.request)
        return proceed(incoming)

    return handle


def _violation(broken: Any) -> Violation:
    rule = broken.proto
    return Violation(field=_path(rule.field), description=rule.message, rule=rule.rule_id)


def _path(field: Any) -> str:
    if field is None:
        return ""
    return ".".join(
        element.field_name + _index(element) for element in field.elements if element.field_name
    )


def _index(element: Any) -> str:
    # The subscript of a repeated field is a oneof; only a position is no value of the request.
    subscript = getattr(element, "subscript", None)
    position = getattr(subscript, "value", None) if subscript is not None else None
    return f"[{position}]" if isinstance(position, int) else ""
