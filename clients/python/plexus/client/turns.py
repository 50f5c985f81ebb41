"""So many at a time, in order: who has waited long is handed the next place and cannot be overtaken."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

# Who has just come may overtake for so long: handing every turn over would make each wait for the
# interpreter to change threads, which is longer than most turns take.
_GENEROSITY: Final = 0.01


class Turns:
    """A semaphore whose waiters are served in order. That of `threading` sends who is overtaken to
    the end: among many who come again and again, some wait for ever.

    *places* is how many may have a turn together; *waits* counts who did not get one at once, *timeouts*
    who got none.
    """

    def __init__(self, places: int = 1, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._free = places
        self._waiting: deque[_Waiter] = deque()
        self.waits = 0
        self.timeouts = 0

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self._waiting)

    def take(self, timeout: float) -> bool:
        """Wait for a turn, for *timeout* seconds at most. Whether it is had; then it must be given back."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            since = self._clock()
            waiter = _Waiter(since)
            self._waiting.append(waiter)
            self.waits += 1
        end = since + timeout
        while True:
            waiter.called.acquire(timeout=max(0.0, end - self._clock()))
            with self._lock:
                if waiter.has_turn:
                    return True
                if self._free and self._waiting[0] is waiter:
                    self._waiting.popleft()
                    self._begin()
                    self._call_next()
                    return True
                if self._clock() >= end:
                    self._waiting.remove(waiter)
                    self.timeouts += 1
                    self._call_next()
                    return False

    def give_back(self) -> None:
        """End the turn."""
        with self._lock:
            self._free += 1
            if self._waiting:
                self._call_next()

    def _begin(self) -> bool:
        self._free -= 1
        return True

    def _call_next(self) -> None:
        if not self._free or not self._waiting:
            return
        first = self._waiting[0]
        if self._clock() - first.since > _GENEROSITY:
            self._waiting.popleft()
            first.has_turn = self._begin()
        first.call()


class _Waiter:
    __slots__ = ("called", "has_turn", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.has_turn = False
        self.called = threading.Lock()
        self.called.acquire()

    def call(self) -> None:
        if self.called.locked():
            self.called.release()
