"""What time it is for this process. It is stepped, never the machine's, when a chaos run says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime


def _as_it_is() -> float:
    return 0.0


_ahead: Callable[[], float] = _as_it_is


def seconds() -> float:
    """Unix seconds."""
    return time.time() + _ahead()


def now() -> datetime:
    """The instant, in UTC."""
    return datetime.fromtimestamp(seconds(), UTC)


def step(ahead: Callable[[], float]) -> None:
    """From now on the clock is as many seconds ahead of the machine's as *ahead* says when asked."""
    global _ahead
    _ahead = ahead


def reset() -> None:
    """Show the machine's time again."""
    step(_as_it_is)
