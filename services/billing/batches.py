"""What of a feed has arrived, at once: a follower that catches up applies hundreds in a transaction."""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Generic, TypeVar

E = TypeVar("E")

SIZE = 250
"""Events in one transaction at most: some hundredths of a second, so that payments need not wait."""


class Batches(Generic[E]):
    """Reads *feed* in a thread and gives what has arrived, in order, as soon as anything has.

    A single event is given at once. At most twice *size* are held. The feed's end or failure comes
    after the last of its events.
    """

    def __init__(self, feed: Iterable[E], size: int = SIZE) -> None:
        self._feed = feed
        self._size = size
        self._arrived: deque[E] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._left = False
        self._failure: Exception | None = None

    def __iter__(self) -> Iterator[tuple[E, ...]]:
        # A feed may begin its call only when it is first read; the work in progress is its caller.
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._read,), name="feed", daemon=True).start()
        while batch := self._take():
            yield batch
        if self._failure is not None:
            raise self._failure

    def cancel(self) -> None:
        """End the feed, and the reading of it."""
        with self._changed:
            self._left = True
            self._changed.notify_all()
        end = getattr(self._feed, "cancel", None)
        if end is not None:
            end()

    def _take(self) -> tuple[E, ...]:
        with self._changed:
            self._changed.wait_for(lambda: self._arrived or self._ended or self._left)
            batch = tuple(islice(self._arrived, self._size))
            for _ in batch:
                self._arrived.popleft()
            self._changed.notify_all()
            return batch

    def _read(self) -> None:
        try:
            for event in self._feed:
                if not self._keep(event):
                    break
        except Exception as failure:  # noqa: BLE001 (raised where the batches are read)
            self._failure = failure
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _keep(self, event: E) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: len(self._arrived) < 2 * self._size or self._left)
            self._arrived.append(event)
            self._changed.notify_all()
            return not self._left
