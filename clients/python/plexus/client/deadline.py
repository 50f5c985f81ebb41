"""Gives every call an explicit deadline: the contract's, or what is left of the work it is part of."""

from __future__ import annotations

import time
from typing import Any

from plexus.client.inbound import inbound
from plexus.client.outgoing import Outgoing, Parts, Send
from plexus.contract import Method, Need
from plexus.errors import Fault, from_fault
from plexus.type.v1.errors_pb2 import PlatformError


def deadline(method: Method, parts: Parts, proceed: Send) -> Send:
    """Set `timeout`; a caller's own wish is kept when it is shorter.

    An optional call gets only a share of what is left, so that its caller can still answer without
    it. With nothing left, or when the caller of the work has gone, the call is not begun:
    DEADLINE_EXHAUSTED.
    """
    longest = method.deadline

    def send(out: Outgoing) -> Any:
        timeout = longest if out.timeout is None else min(longest, out.timeout)
        work = inbound()
        if work is not None:
            left = work.remaining()
            call = work.calls.get(method.path)
            if call is not None and call.need is Need.OPTIONAL:
                left *= parts.tuning.optional_share
            timeout = min(timeout, left)
        if timeout <= 0 or (work is not None and work.is_over()):
            raise from_fault(
                Fault(
                    PlatformError,
                    PlatformError.PLATFORM_ERROR_DEADLINE_EXHAUSTED,
                    method=method.path,
                )
            )
        out.timeout = timeout
        if work is None:
            return proceed(out)
        began = time.monotonic()
        try:
            return proceed(out)
        finally:
            work.waited += time.monotonic() - began

    return send
