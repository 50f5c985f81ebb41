"""Reads the request. It comes after authorisation: a stranger's bytes are not even parsed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from mesh.server.incoming import Handle, Incoming, Parts
from plexus.contract import Method
from plexus.errors import Fault, Violation
from plexus.type.v1.errors_pb2 import PlatformError


def parse(method: Method, parts: Parts, proceed: Handle) -> Handle:
    """Turn bytes into messages; REQUEST_INVALID when they are none."""
    del parts
    read: Callable[[bytes], Any] = GetMessageClass(method.input).FromString

    def one(raw: bytes) -> Any:
        try:
            return read(raw)
        except DecodeError:
            unreadable = Violation("", f"not a {method.input.full_name}", "wire")
            raise Fault(
                PlatformError,
                PlatformError.PLATFORM_ERROR_REQUEST_INVALID,
                violations=(unreadable,),
            ) from None

    def many(raws: Iterable[bytes]) -> Iterator[Any]:
        return (one(raw) for raw in raws)

    interpret: Callable[[Any], Any] = many if method.client_streaming else one

    def handle(incoming: Incoming) -> Any:
        incoming.request = interpret(incoming.raw)
        return proceed(incoming)

    return handle
