"""The threads that handlers run in: what grpcio asks of an executor, and nothing else of one.

`concurrent.futures` makes a future with a condition for every call, and lets every thread wait at one
queue. Here a call is handed to the thread that was busy last, whose memory is still at hand, and
there is a new thread only when all are busy.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import structlog

from observability.logs import cause

_log = structlog.get_logger()


class Work(Protocol):
    """What a thread can do."""

    def run(self) -> None:
        """Do it. It raises nothing."""


class Job:
    """`work(*arguments)`, to be done. Its callbacks are called with it once, when it has ended."""

    __slots__ = ("_arguments", "_callbacks", "_ended", "_work")

    def __init__(self, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._work = work
        self._arguments = arguments
        self._ended = False
        self._callbacks: list[Callable[[Any], Any]] = []

    def add_done_callback(self, callback: Callable[[Any], Any]) -> None:
        """Have *callback* called when the job has ended, or now if it has."""
        self._callbacks.append(callback)
        if self._ended:
            self._tell()

    def run(self) -> None:
        """Do it."""
        try:
            self._work(*self._arguments)
        except BaseException as error:  # noqa: BLE001 - a thread outlives whatever a call does
            _log.error("handler thread", **cause(error))
        self._ended = True
        self._tell()

    def _tell(self) -> None:
        # Taking one out is one step: whoever has it calls it.
        while self._callbacks:
            try:
                callback = self._callbacks.pop()
            except IndexError:
                return
            callback(self)


class Crew:
    """At most *most* threads, started when they are needed. What finds none waits in a queue."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._idle: list[_Hand] = []
        self._waiting: deque[Work] = deque()
        self._hands = 0

    def submit(self, work: Callable[..., Any], /, *arguments: Any) -> Job:
        """Have `work(*arguments)` done in one of the threads."""
        job = Job(work, arguments)
        self.give(job)
        return job

    def give(self, job: Work) -> None:
        """Have *job* done in one of the threads."""
        with self._lock:
            if self._idle:
                hand = self._idle.pop()
            elif self._hands < self._most:
                self._hands += 1
                hand = _Hand(self._next)
                hand.start(self._hands)
            else:
                self._waiting.append(job)
                return
        hand.take(job)

    def _next(self, hand: _Hand) -> Work | None:
        """What *hand* does next. None when there is nothing: it will be given something."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._idle.append(hand)
        return None


class _Hand:
    """One thread, and the lock at which it waits for work."""

    __slots__ = ("_given", "_job", "_next")

    def __init__(self, next_job: Callable[[_Hand], Work | None]) -> None:
        self._next = next_job
        self._job: Work | None = None
        self._given = threading.Lock()
        self._given.acquire()

    def start(self, number: int) -> None:
        threading.Thread(target=self._work, name=f"handler_{number}", daemon=True).start()

    def take(self, job: Work) -> None:
        self._job = job
        self._given.release()

    def _work(self) -> None:
        while True:
            self._given.acquire()
            job, self._job = self._job, None
            while job is not None:
                job.run()
                job = self._next(self)
