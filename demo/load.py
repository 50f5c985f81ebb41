"""A steady load of virtual patients: one begins every so often, whether others are done or not."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial

from demo.journeys import Journeys

THREADS = 48
"""Patients at once; far more than are ever on their way while the platform answers."""

_RETURNING = 2
"""Patients that come back for each new one: they do not all come at once."""

_FAREWELL = 3.0
_POLL = 0.05


class Load:
    """Begins `rate` journeys a second until it is told to finish.

    A journey that ends without being paid leaves its appointment in the debts; `collect` lets those
    patients come back.
    """

    def __init__(self, journeys: Journeys, rate: float) -> None:
        self._journeys = journeys
        self._pause = 1 / rate
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="patient")
        self._debts: deque[str] = deque()
        self._returning: deque[str] = deque()
        self._running: set[Future[None]] = set()
        self._lock = threading.Lock()
        self._open = True
        self._stop = threading.Event()
        self._broken: BaseException | None = None
        self._driver = threading.Thread(target=self._drive, name="load", daemon=True)
        self.started = 0

    def start(self) -> None:
        """Begin."""
        self._driver.start()

    def finish(self, timeout: float) -> None:
        """Begin no more journeys; wait until everybody is home and has paid, or time is up."""
        self._open = False
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self.check()
            if not self.collect() and not self._is_busy():
                return
            time.sleep(_POLL)

    def close(self) -> None:
        """Begin nothing more, and send home whoever is on their way."""
        self._stop.set()
        self._journeys.end()
        if self._driver.is_alive():
            self._driver.join()
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            running = set(self._running)
        wait(running, _FAREWELL)

    def check(self) -> None:
        """Raise what a journey raised that is not an answer of the platform: a fault of the demo."""
        if self._broken is not None:
            raise self._broken

    def collect(self) -> int:
        """Let every patient who could not pay come back, one after the other; how many they are."""
        with self._lock:
            count = len(self._debts)
            self._returning.extend(self._debts)
            self._debts.clear()
        return count

    @property
    def debts(self) -> int:
        """How many completed visits are not paid and not being paid."""
        with self._lock:
            return len(self._debts)

    def _is_busy(self) -> bool:
        with self._lock:
            return bool(self._running or self._returning)

    def _drive(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            if self._open:
                self._submit(partial(self._play, self.started))
                self.started += 1
            for appointment_id in self._take_returning():
                self._submit(partial(self._collect, appointment_id))
            due += self._pause

    def _take_returning(self) -> list[str]:
        with self._lock:
            count = min(_RETURNING, len(self._returning))
            return [self._returning.popleft() for _ in range(count)]

    def _submit(self, work: Callable[[], None]) -> None:
        future = self._pool.submit(work)
        with self._lock:
            self._running.add(future)
        future.add_done_callback(self._done)

    def _play(self, number: int) -> None:
        self._owe(self._journeys.play(number))

    def _collect(self, appointment_id: str) -> None:
        if not self._journeys.pay(appointment_id):
            self._owe(appointment_id)

    def _owe(self, appointment_id: str | None) -> None:
        if appointment_id is not None:
            with self._lock:
                self._debts.append(appointment_id)

    def _done(self, future: Future[None]) -> None:
        with self._lock:
            self._running.discard(future)
        if not future.cancelled() and self._broken is None:
            self._broken = future.exception()
