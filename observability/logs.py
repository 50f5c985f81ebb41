"""Structured logs: one JSON object a line on standard output, and nothing of a patient in any.

Every line tells which process and service wrote it. An exception is told by its type and where it was
raised, never by its text: that may quote a statement's or a message's values. What was not handed to
a logger at all, an exception that nobody caught or a library's warning, is made a line as well.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, TextIO

import structlog

from observability import libraries
from observability.lines import show
from observability.redaction import written

_FIRST = ("timestamp", "level", "service", "process", "event")

# Made once: for each line it would be half of its cost.
_encode: Final = json.JSONEncoder(default=written, ensure_ascii=False).encode

_log = structlog.get_logger()


def configure(process: str, service: str = "", level: int = logging.INFO) -> None:
    """Send everything this process logs, the standard library's records too, to stdout as JSON.

    A terminal gets lines to read instead. Nothing that goes wrong with it, a full disk for instance,
    is an error of whoever logs.
    """
    origin = {"process": process, "service": service or process}
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        lambda _, __, event: {**event, **origin},
        _without_exception_text,
    ]
    render = _as_text if sys.stdout.isatty() else _as_json
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: Lines(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Formatter(shared, render))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    libraries.hush()
    _tell_of_the_uncaught()


def cause(error: BaseException) -> dict[str, str]:
    """What may be written of an exception: its type and where it was raised.

    Its text may hold values, of a statement or a message, and is left out, unless its class vouches
    for it with `tells_no_values = True`.
    """
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno}" for f in reversed(frames))
    told = {"error": type(error).__name__, "where": where}
    if getattr(type(error), "tells_no_values", False):
        told["because"] = str(error)
    return told


class Lines:
    """Writes whole lines. A line that cannot be written is lost, and nobody's call fails for it."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lock = threading.Lock()

    def msg(self, line: str) -> None:
        """Write *line*, at once and in one piece: others write to the same file."""
        with self._lock, suppress(OSError, ValueError):
            self._file.write(line + "\n")
            self._file.flush()

    debug = info = warning = error = critical = fatal = exception = log = msg


class _Formatter(logging.Formatter):
    """Makes of the standard library's records the same lines, by the same steps."""

    def __init__(self, steps: Sequence[Any], render: Callable[[Any, str, Any], str]) -> None:
        super().__init__()
        self._steps = steps
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        event = {**libraries.event_of(record), "exc_info": record.exc_info}
        for step in self._steps:
            event = step(None, record.levelname.lower(), event)
        return self._render(None, "", event)


def _as_json(_: Any, __: str, event: Any) -> str:
    # What every line has comes first: lines are read by people, too.
    first = {key: event.pop(key, "") for key in _FIRST}
    return _encode({**first, **event})


def _as_text(_: Any, __: str, event: Any) -> str:
    return show({name: written(value) for name, value in event.items()})


def _without_exception_text(_: Any, __: str, event: Any) -> Any:
    info = event.pop("exc_info", None)
    event.pop("stack_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event.update(cause(error))
    return event


def _tell_of_the_uncaught() -> None:
    def uncaught(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        del kind
        _log.critical("nobody caught it", **cause(error.with_traceback(trace)))

    def uncaught_in_thread(told: threading.ExceptHookArgs) -> None:
        if told.exc_value is not None and not issubclass(told.exc_type, SystemExit):
            name = told.thread.name if told.thread else ""
            _log.critical("nobody caught it", thread=name, **cause(told.exc_value))

    def unraisable(told: Any) -> None:
        if told.exc_value is not None:
            _log.error("could not be raised", **cause(told.exc_value))

    sys.excepthook = uncaught
    threading.excepthook = uncaught_in_thread
    sys.unraisablehook = unraisable
