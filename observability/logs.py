"""Structured logs: one JSON object a line on standard output."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Any

import structlog

_QUIET = ("alembic", "grpc", "opentelemetry", "asyncio")
"""Loggers of libraries that tell of their own ordinary steps."""


def configure(process: str, level: int = logging.INFO) -> None:
    """Send everything this process logs, the standard library's records too, to stdout as JSON."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        lambda _, __, event: {"process": process, **event},
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            # What the standard library's loggers are given as `extra` is part of the event.
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_exception_text,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def cause(error: BaseException) -> dict[str, str]:
    """What may be written of an exception: its type and where it was raised.

    Its text may hold values, of a statement or a message, and is left out.
    """
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno}" for f in reversed(frames))
    return {"error": type(error).__name__, "where": where}


def _without_exception_text(_: Any, __: str, event: Any) -> Any:
    info = event.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event.update(cause(error))
    return event
