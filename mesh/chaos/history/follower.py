"""Follows a feed through the storm, from its beginning, as a service would: by its cursor."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

from mesh.chaos.history.books import Followed
from plexus.errors import PlexusError

_PAUSE = 0.1

Subscribe = Callable[[int], Any]
"""Opens the feed after a sequence: something to iterate over and to `cancel`."""


class Follower:
    """One reader of *feed*, in a thread of its own. `events` are those that came, in their order."""

    def __init__(self, feed: str, name: str, subscribe: Subscribe) -> None:
        self.feed = feed
        self._name = name
        self._subscribe = subscribe
        self._call: Any = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._heard = time.monotonic()
        self.events: list[Any] = []

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        if self._thread.ident is None:
            return
        if self._call is not None:
            self._call.cancel()
        self._thread.join()

    def silence(self) -> float:
        """Seconds since the last event."""
        return time.monotonic() - self._heard

    def followed(self) -> Followed:
        """What was seen."""
        seen = tuple((event.sequence, _digest(event)) for event in list(self.events))
        return Followed(self.feed, self._name, seen)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow()
            except PlexusError:
                self._stopping.wait(_PAUSE)

    def _follow(self) -> None:
        self._call = self._subscribe(self.events[-1].sequence if self.events else 0)
        if self._stopping.is_set():
            # `stop` may have looked for the call before it was there.
            self._call.cancel()
        for response in self._call:
            self.events.append(response.event)
            self._heard = time.monotonic()


def _digest(event: Message) -> int:
    return zlib.crc32(event.SerializeToString(deterministic=True))
