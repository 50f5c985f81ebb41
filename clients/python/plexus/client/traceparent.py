"""Which trace a call is part of, in one header: `00-<trace id>-<span id>-<flags>`.

The format is W3C Trace Context, https://www.w3.org/TR/trace-context/: hexadecimal digits, 32 and 16 of
them, and two whose last bit says that the trace is recorded.
"""

from __future__ import annotations

import random
import re
from typing import Final, TypeGuard

from plexus.client import otel

TRACEPARENT: Final = "traceparent"
HEAD: Final = len("00-") + 32 + len("-")
"""What all calls of a trace have in common: `header[:HEAD]`."""

shape: Final = re.compile(
    "(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
).fullmatch
"""Finds a text to be a header, or None."""
SAMPLED: Final = frozenset("13579bdf")
"""The last digits of headers whose trace is recorded."""


# Ids need to be unlike each other, not unforeseeable.
_bits = random.getrandbits

# Made a lot at a time: one by one, between the steps of a call, each takes several times as long.
_LOT: Final = 64
_headers: list[str] = []
_tails: list[str] = []


def _digits(number: int) -> str:
    return random.randbytes(number // 2).hex()  # noqa: S311 - unlike each other, not secret


def is_valid(header: object) -> TypeGuard[str]:
    """Whether a header is one of these; others are as good as none."""
    return header.__class__ is str and shape(header) is not None


def is_sampled(header: str) -> bool:
    """Whether a valid header says that the trace is recorded."""
    return header[-1] in SAMPLED


def trace_id_of(header: str) -> str:
    """The trace id in a valid header."""
    return header[3 : HEAD - 1]


def span_id_of(header: str) -> int:
    """The span id in a valid header."""
    return int(header[HEAD : HEAD + 16], 16)


def new_span_id() -> int:
    """An id for a span that may never be made."""
    return _bits(64) or 1


def new_head() -> str:
    """The head of a trace that begins here."""
    return f"00-{_bits(128) or 1:032x}-"


def new_header() -> str:
    """What an unsampled call that begins a trace here tells its callee: both ids are new."""
    try:
        return _headers.pop()
    except IndexError:
        digits = _digits(48 * _LOT)
        lot = [
            f"00-{digits[at : at + 32]}-{digits[at + 32 : at + 48]}-00"
            for at in range(0, len(digits), 48)
        ]
        header = lot.pop()
        _headers.extend(lot)
        return header


def continued(header: str) -> str:
    """What a call tells its callee that is part of the unsampled *header*: its own id is new."""
    try:
        return header[:HEAD] + _tails.pop()
    except IndexError:
        digits = _digits(16 * _LOT)
        lot = [f"{digits[at : at + 16]}-00" for at in range(0, len(digits), 16)]
        tail = lot.pop()
        _tails.extend(lot)
        return header[:HEAD] + tail


def chosen(sampling: float) -> bool:
    """Whether a trace that begins here is recorded: a share of *sampling* is."""
    return sampling > 0 and random.random() < sampling  # noqa: S311 - a share, not a secret


def of(span: otel.SpanContext, *, sampled: bool) -> str:
    """The header of what is part of *span*."""
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(sampled):02d}"
