"""What is logged through the standard library, by us and by libraries, and what is kept of it.

Our own words are literals and their values are written by the redaction. A library may put anything
into its words: gRPC puts the text of a handler's exception there, asyncio the repr of a result. So
of a library's words only those are kept that stand as a literal in the code that logs them, without
the values they were to be filled with; and always who spoke and from where.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

from observability.redaction import written

# The last is what a module is called that was started: here always one of ours.
OWN: Final = ("plexus", "observability", "mesh", "services", "demo", "__main__")

_QUIET: Final = ("alembic", "grpc", "opentelemetry", "asyncio")
"""Loggers of libraries that tell of their own ordinary steps."""

_STANDARD: Final = frozenset(
    {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "color_message"}
)


def hush() -> None:
    """Let libraries speak of what is wrong only, and of nothing on the standard error."""
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    # A record that cannot be formatted would be printed, with its values, to the standard error.
    logging.raiseExceptions = False


def event_of(record: logging.LogRecord) -> dict[str, Any]:
    """What may be written of *record*, but for the exception it may carry."""
    if record.name.split(".")[0] in OWN:
        return {"event": _said(record), **_extras(record)}
    event = record.msg if _is_literal(record) else "a library has something to say"
    place = f"{record.pathname.rsplit('/', 1)[-1]}:{record.lineno}"
    return {"event": event, "logger": record.name, "at": place}


def _said(record: logging.LogRecord) -> str:
    values = record.args
    if isinstance(values, tuple):
        values = tuple(map(written, values))
    elif values:
        values = {key: written(value) for key, value in values.items()}
    try:
        return str(record.msg) % values if values else str(record.msg)
    except (TypeError, ValueError, KeyError):
        return str(record.msg)


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    given = vars(record).items()
    return {name: value for name, value in given if name not in _STANDARD and name[0] != "_"}


def _is_literal(record: logging.LogRecord) -> bool:
    """Whether the words stand as they are in the code that logs them, which is still running."""
    if not isinstance(record.msg, str):
        return False
    frame = sys._getframe()
    while frame := frame.f_back:  # type: ignore[assignment]
        code = frame.f_code
        if (code.co_filename, code.co_name) == (record.pathname, record.funcName):
            return record.msg in code.co_consts
    return False
