"""Spans of calls that were not sampled, made when they turn out to be worth one.

Only the context of such a call is carried on. When it fails on the platform's account, or takes a good
part of its deadline, its span is made from the times that were kept, with the ids that the context
told others: what each process leaves fits together. A business error is an answer, and leaves nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import grpc

FAILURES: Final = frozenset(
    code.name
    for code in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DATA_LOSS,
    )
)
"""The statuses that a call ends with on the platform's account."""

_MOST: Final = 100
"""Spans a second. What fails more often than that fails for few reasons, and is failing enough."""


class Happening(NamedTuple):
    """Something that happened in a span, at its end as far as is known."""

    name: str
    attributes: Mapping[str, str | int | float | bool]


class Late(NamedTuple):
    """A span to be made. Ids are as in OpenTelemetry, *parent* is 0 at the root; *seconds* end now."""

    name: str
    is_server: bool
    trace_id: int
    span_id: int
    parent: int
    seconds: float
    attributes: Mapping[str, Any]
    failure: str
    happenings: Sequence[Happening] = ()


Keep = Callable[[Late], None]


class _Afterwards:
    """Where late spans go, and how many went in this second."""

    keep: Keep | None = None
    second: int = 0
    count: int = 0


_state = _Afterwards()


def keep_with(keep: Keep | None) -> None:
    """Have late spans made by *keep*. A process that sends no spans has none, and makes none."""
    _state.keep = keep
    _state.count = 0


def are_kept() -> bool:
    """Whether another one may be made now."""
    if _state.keep is None:
        return False
    second = int(time.monotonic())
    if second != _state.second:
        _state.second, _state.count = second, 0
    return _state.count < _MOST


def leave(late: Late) -> None:
    """Make the span; see `are_kept`."""
    _state.count += 1
    if _state.keep is not None:
        _state.keep(late)


def attributes_of(wire_path: str) -> dict[str, Any]:
    """What the span of any call says: `rpc.…` of the method `/package.Service/Method`."""
    service, _, name = wire_path[1:].rpartition("/")
    return {
        "rpc.system": "grpc",
        "rpc.service": service,
        "rpc.method": name,
        "rpc.grpc.status_code": 0,
        "plexus.sampled": False,
    }
