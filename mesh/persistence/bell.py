"""Wakes the waiting: a counter of rings, so that a ring between a look and a wait is not missed."""

import threading


class Bell:
    """Rung by whoever has news, waited for by whoever wants them."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self.rings = 0

    def ring(self) -> None:
        """Wakes everyone who waits."""
        with self._condition:
            self.rings += 1
            self._condition.notify_all()

    def wait(self, heard: int, timeout: float) -> None:
        """Returns when more than *heard* rings were made, or after *timeout* seconds."""
        with self._condition:
            self._condition.wait_for(lambda: self.rings != heard, timeout)
