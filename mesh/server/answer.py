"""Runs the handler: the work in progress is the call, and what the answer lacks is said in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from mesh.server.incoming import Handle, Incoming
from plexus.client import working
from plexus.contract import Method
from plexus.errors import Fault
from plexus.type.v1.errors_pb2 import PlatformError

Handler = Callable[[Any, Any], Any]
"""A servicer's method: `(request, context)` to a response, or to an iterator of responses."""


def answer(method: Method, handler: Handler) -> Handle:
    """The innermost step. Work whose deadline has passed is not begun: DEADLINE_EXHAUSTED."""
    names_request = method.takes_request_id and not method.client_streaming

    def handle(incoming: Incoming) -> Any:
        work = incoming.work
        if work.remaining() <= 0:
            raise _exhausted(method)
        if names_request:
            work.request_id = incoming.request.request_id
        with working(work):
            response = handler(incoming.request, incoming.context)
        if work.degradations:
            response.degradations.extend(work.degradations)
        return response

    def stream(incoming: Incoming) -> Iterator[Any]:
        if incoming.work.remaining() <= 0:
            raise _exhausted(method)
        with working(incoming.work):
            yield from handler(incoming.request, incoming.context)

    return stream if method.server_streaming else handle


def _exhausted(method: Method) -> Fault:
    return Fault(PlatformError, PlatformError.PLATFORM_ERROR_DEADLINE_EXHAUSTED, method=method.path)
