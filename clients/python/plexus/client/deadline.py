"""Gives every call an explicit deadline: the contract's, or what is left of the work it is part of."""

from __future__ import annotations

from time import monotonic
from typing import Any

from plexus.client.outgoing import Outgoing, Parts, Send
from plexus.contract import Method, Need
from plexus.errors import Fault, PlexusError, from_fault
from plexus.type.v1.errors_pb2 import PlatformError


def deadline(method: Method, parts: Parts, proceed: Send) -> Send:
    """Set `timeout`; a caller's own wish is kept when it is shorter.

    An optional call gets only a share of what is left, so that its caller can still answer without
    it. With nothing left, or when the caller of the work has gone, the call is not begun:
    DEADLINE_EXHAUSTED.
    """
    longest, share, path = method.deadline, parts.tuning.optional_share, method.path

    def exhausted() -> PlexusError:
        return from_fault(
            Fault(
                PlatformError, PlatformError.PLATFORM_ERROR_DEADLINE_EXHAUSTED, method=method.path
            )
        )

    def send(out: Outgoing) -> Any:
        timeout = longest if out.timeout is None else min(longest, out.timeout)
        work = out.work
        if work is None:
            if timeout <= 0:
                raise exhausted()
            out.timeout = timeout
            return proceed(out)
        began = monotonic()
        left = work.deadline - began
        call = work.calls.get(path)
        if call is not None and call.need is Need.OPTIONAL:
            left *= share
        out.timeout = timeout = min(timeout, left)
        if timeout <= 0 or not (work.is_active is None or work.is_active()):
            raise exhausted()
        try:
            return proceed(out)
        finally:
            work.waited += monotonic() - began

    return send
