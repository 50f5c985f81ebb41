"""Calls at the level of bytes: whatever can be sent is sent, and whatever comes back on failing is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc

from plexus.contract import Method

Metadata = tuple[tuple[str, str | bytes], ...]


@dataclass(slots=True)
class Answers:
    """What callers were told: how often what, and every byte of every failure."""

    outcomes: dict[str, dict[str, int]] = field(default_factory=dict)
    failures: list[bytes] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, method: str, outcome: str) -> None:
        """Count one."""
        with self._lock:
            counts = self.outcomes.setdefault(method, {})
            counts[outcome] = counts.get(outcome, 0) + 1

    def keep(self, method: str, error: grpc.RpcError) -> None:
        """Count a failure, and keep all that came with it."""
        call: Any = error
        code = call.code() or grpc.StatusCode.UNKNOWN
        self.note(method, code.name)
        debug = getattr(call, "debug_error_string", None)
        told = [str(call.details()), debug() if debug else "", str(error)]
        pairs = [*(call.initial_metadata() or ()), *(call.trailing_metadata() or ())]
        raw = [value if isinstance(value, bytes) else str(value).encode() for _, value in pairs]
        kept = b"\n".join([*(text.encode() for text in told), *raw])
        with self._lock:
            self.failures.append(kept)

    @property
    def calls(self) -> int:
        """How many calls were made."""
        return sum(sum(counts.values()) for counts in self.outcomes.values())


class Wire:
    """Sends bytes as calls of methods, over *channel* of each service."""

    def __init__(self, channel: Callable[[str], grpc.Channel], answers: Answers) -> None:
        self._channel = channel
        self._answers = answers

    def send(
        self,
        method: Method,
        content: bytes,
        metadata: Metadata,
        timeout: float | None = None,
        take: int = 1,
    ) -> bytes | None:
        """The response, the last of *take* (0: all) of a stream; None when there was none.

        Raises what gRPC raises, after it was kept.
        """
        name = method.short
        kind = (
            f"{'stream' if method.client_streaming else 'unary'}_"
            f"{'stream' if method.server_streaming else 'unary'}"
        )
        stub = getattr(self._channel(method.service), kind)(method.wire_path)
        request: Any = iter(_pieces(content)) if method.client_streaming else content
        longest = min(timeout or method.deadline, method.deadline)
        try:
            response = stub(request, metadata=metadata, timeout=longest)
            if method.server_streaming:
                response = _last(response, take)
        except grpc.RpcError as error:
            self._answers.keep(name, error)
            raise
        self._answers.note(name, "OK")
        found: bytes | None = response
        return found


def _pieces(content: bytes) -> Iterable[bytes]:
    return (content,)


def _last(responses: Any, take: int) -> bytes | None:
    last: bytes | None = None
    found: Iterator[bytes] = responses
    for number, each in enumerate(found, start=1):
        last = each
        if number == take:
            break
    responses.cancel()
    return last
