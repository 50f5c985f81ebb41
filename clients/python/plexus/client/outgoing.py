"""A call on its way out, and the type of everything that handles it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from plexus.client.counts import Counts
from plexus.client.inbound import Inbound
from plexus.client.tuning import Tuning
from plexus.client.turns import Turns
from plexus.contract import Method


@dataclass(slots=True)
class Outgoing:
    """One call. *request* is a message, or an iterator of messages; *timeout* is in seconds.

    *work* is what the call is part of, if anything. *call* is gRPC's own object of a stream that was
    begun, to cancel it by. *span* is the span of a call that is sampled.
    """

    request: Any
    timeout: float | None = None
    metadata: list[tuple[str, str | bytes]] = field(default_factory=list)
    work: Inbound | None = None
    call: Any = None
    span: Any = None


Send = Callable[[Outgoing], Any]
"""Makes the call and returns the response, or raises PlexusError."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the layers of one channel share."""

    tuning: Tuning
    token: Callable[[], str] | None
    enforce: bool
    breakers: dict[str, Any]
    places: Turns | None = None
    counts: dict[str, Counts] = field(default_factory=dict)

    def counts_of(self, method: Method) -> Counts:
        """What the calls of *method* came to."""
        return self.counts.setdefault(method.path, Counts())


Layer = Callable[[Method, Parts, Send], Send]
"""Wraps the rest of the stack for one method; composed once."""
