"""Names every write, so that a retry of it has one effect."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from plexus.client.inbound import inbound
from plexus.client.outgoing import Outgoing, Parts, Send
from plexus.contract import Method


def request_id(method: Method, parts: Parts, proceed: Send) -> Send:
    """Fill an empty `request_id`, on a copy: the caller's message may be sent again as a new one."""
    del parts
    if not method.takes_request_id:
        return proceed

    def send(out: Outgoing) -> Any:
        if method.client_streaming:
            out.request = _named_stream(out.request, method)
        elif not out.request.request_id:
            out.request = _named(out.request, method)
        return proceed(out)

    return send


def _named(request: Any, method: Method) -> Any:
    work = inbound()
    named = type(request)()
    named.CopyFrom(request)
    named.request_id = work.next_request_id(method.path) if work else uuid.uuid4().hex
    return named


def _named_stream(requests: Iterable[Any], method: Method) -> Iterator[Any]:
    messages = iter(requests)
    for first in messages:
        yield first if first.request_id else _named(first, method)
        break
    yield from messages
