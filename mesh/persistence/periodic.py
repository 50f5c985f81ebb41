"""Work that is done again and again, such as forgetting old requests."""

import logging
import random
import threading
import time
from collections.abc import Callable

from mesh.persistence.worker import Worker, describe

_log = logging.getLogger(__name__)


class Periodic:
    """Does *work* at the start and then *every* so many seconds, in a daemon thread. A failure is
    logged, and the next turn comes as usual."""

    def __init__(self, name: str, every: float, work: Callable[[], None]) -> None:
        self.name = name
        self._every = every
        self._work = work
        self._worker = Worker(name, self._run)
        self._succeeded = time.monotonic()

    def start(self) -> None:
        """Begins; the first turn is now."""
        self._succeeded = time.monotonic()
        self._worker.start()

    def stop(self) -> None:
        """Ends after the turn in progress."""
        self._worker.stop()

    def lag(self) -> float:
        """Seconds by which a successful turn is overdue; 0 when none is."""
        return max(0.0, time.monotonic() - self._succeeded - self._every)

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                self._work()
                self._succeeded = time.monotonic()
            except Exception as error:  # noqa: BLE001 (whatever it was, the next turn comes)
                _log.warning("task %s failed: %s", self.name, describe(error))
            # Replicas that started together do not stay in step.
            stopping.wait(self._every * random.uniform(0.9, 1.1))  # noqa: S311
