"""A daemon thread with a name, a start and a stop."""

import contextvars
import threading
import traceback
from collections.abc import Callable
from typing import Final

_STOPPING: Final = 5.0


class Worker:
    """Runs *run* once in a thread of its own; *run* returns soon after the event it is given."""

    def __init__(self, name: str, run: Callable[[threading.Event], None]) -> None:
        self._name = name
        self._run = run
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins, in the context (the work in progress) of whoever starts it."""
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._run, self._stopping), name=self._name, daemon=True
        )
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Lets *run* know, without waiting."""
        self._stopping.set()

    def stop(self) -> None:
        """Asks and waits, at most five seconds."""
        self.ask_to_stop()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(_STOPPING)


def describe(error: BaseException) -> str:
    """Which error and where. Never its text: that may quote what was being worked on."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
