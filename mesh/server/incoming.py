"""A call on its way in, and the type of everything that handles it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import grpc

from mesh.server.admission import Admission
from observability.metrics import CallMetrics
from plexus.client import Inbound
from plexus.contract import Contract, Method


@dataclass(slots=True)
class Incoming:
    """One call. *raw* is the request's bytes, or an iterator of them; *request* what they say.

    *caller* is the workload at the other end of the connection, once it is let in; *subject* whom it
    speaks for, by a good token.
    """

    raw: Any
    context: grpc.ServicerContext
    metadata: Mapping[str, Any]
    work: Inbound
    request: Any = None
    caller: str = ""
    subject: str = ""


class Book(Protocol):
    """What audit records are written to. Both raise JournalUnavailable."""

    def ready(self) -> None:
        """That it can be written to, as far as is known."""

    def append(self, fields: Mapping[str, Any], /) -> int:
        """Write a record; it is kept when this returns."""


Disturb = Callable[[str], None]
"""Given the path of a method about to be handled: returns, perhaps late, or raises."""


class Token(Protocol):
    """What an access token says."""

    @property
    def subject(self) -> str:
        """Whom it speaks for."""

    @property
    def scopes(self) -> frozenset[str]:
        """What it may do."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the layers of one server share.

    *identify* tells the workload at the other end, empty when it has none. *verify* checks a token
    and raises when it is not good; without it no token is accepted. *admission* is the server's door;
    without it everybody is let in. *book* takes the audit records; without it there are none, as in a
    process that answers nobody's calls but its own. *disturb* is a chaos run's hand on the handlers.
    """

    contract: Contract
    metrics: CallMetrics
    identify: Callable[[grpc.ServicerContext], str]
    verify: Callable[[str], Token] | None
    sampling: float = 0.0
    admission: Admission | None = None
    book: Book | None = None
    disturb: Disturb | None = None


Handle = Callable[[Incoming], Any]
"""Answers the call: a response, or an iterator of responses; or raises."""

Layer = Callable[[Method, Parts, Handle], Handle]
"""Wraps the rest of the stack for one method; composed once."""
