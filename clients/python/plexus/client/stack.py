"""The client stack: what happens to a call on its way out, in order, and why in this order."""

from __future__ import annotations

from collections.abc import Sequence

from plexus.client.breaker import breaker
from plexus.client.bulkhead import bulkhead
from plexus.client.counted import counted
from plexus.client.credentials import credentials
from plexus.client.deadline import deadline
from plexus.client.declared import declared
from plexus.client.failure import failure
from plexus.client.outgoing import Layer, Parts, Send
from plexus.client.request_id import request_id
from plexus.client.trace import trace
from plexus.contract import Method

UNARY: Sequence[Layer] = (
    declared,  # first: a call that no contract allows leaves no trace of itself anywhere
    trace,  # next, so that its span covers everything that is done for the call, breaker included
    counted,  # around all that may refuse a call: what its caller waits for is what counts
    deadline,  # before the breaker: a call without time left says nothing about its callee
    request_id,  # once for the call, not for an attempt: that is what makes attempts repeatable
    bulkhead,  # around the breaker: a full house is the caller's trouble and says nothing of the callee
    breaker,  # after what costs the callee nothing, before what reaches it
    credentials,  # last, so that a token is as fresh as can be
    failure,  # innermost: everything outside it sees typed exceptions only
    # and then the call itself, hedged where the contract calls it repeatable: attempts share all above
)

STREAM: Sequence[Layer] = (
    declared,
    trace,
    deadline,  # a stream's deadline is how long it lives; its reader resumes from a cursor
    credentials,  # no breaker: a stream that breaks is resumed with backoff by its follower
    failure,
)


def compose(layers: Sequence[Layer], method: Method, parts: Parts, send: Send) -> Send:
    """Wrap *send* in *layers*, the first outermost. Done once for a method, not for a call."""
    for layer in reversed(layers):
        send = layer(method, parts, send)
    return send
