"""Log lines, read again: out of a file, and onto a screen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

Event = Mapping[str, Any]

WRONG: Final = frozenset({"warning", "error", "critical"})
"""The levels of what went wrong."""

_DIM, _BOLD, _PLAIN = "\033[2m", "\033[1m", "\033[0m"
_COLOURS: Final = {"warning": "\033[33m", "error": "\033[31m", "critical": "\033[31m"}
_SAID: Final = frozenset(
    ("timestamp", "level", "service", "process", "event", "method", "outcome", "reason")
)


def parse(text: str, process: str) -> dict[str, Any]:
    """The event in a line of *process*'s; what is none of our lines is an event of its words.

    It is without a time then: a process says such things when it starts, or ends, badly.
    """
    try:
        event = json.loads(text)
    except ValueError:
        event = None
    if isinstance(event, dict) and "event" in event:
        return event
    return {"process": process, "service": service_of(process), "event": text.rstrip()}


def service_of(process: str) -> str:
    """The service that a process is a replica of; the process itself when it is none's."""
    service, _, number = process.rpartition("-")
    return service if number.isdecimal() else process


def show(event: Event, *, colour: bool = False) -> str:
    """One line for a person: when, who, what, and then the rest."""
    level = str(event.get("level", ""))
    words = [str(event["event"])]
    if method := event.get("method"):
        words = [_short(str(method)), str(event.get("outcome", "")), str(event.get("reason", ""))]
    what = " ".join(filter(None, words))
    rest = " ".join(f"{name}={_value(event[name])}" for name in event if name not in _SAID)
    when, who = _clock(str(event.get("timestamp", ""))), str(event.get("process", ""))
    if not colour:
        return f"{when:<12} {who:<14} {level:<8} {what} {rest}".rstrip()
    tint = _COLOURS.get(level, "")
    return (
        f"{_DIM}{when:<12}{_PLAIN} {_BOLD}{who:<14}{_PLAIN} {tint}{what}{_PLAIN} "
        f"{_DIM}{rest}{_PLAIN}"
    )


def gist(event: Event) -> str:
    """What happened and why, in a few words."""
    why = (event.get(name) for name in ("cause", "because", "error", "where"))
    return ": ".join(filter(None, (str(event["event"]), *(str(each or "") for each in why))))


def _clock(timestamp: str) -> str:
    try:
        at = datetime.fromisoformat(timestamp)
    except ValueError:
        return ""
    local = at.replace(tzinfo=at.tzinfo or UTC).astimezone()
    return local.strftime("%H:%M:%S.") + f"{local.microsecond // 1000:03}"


def _short(method: str) -> str:
    """`records.GetPatient` of `plexus.records.v1.RecordsService/GetPatient`."""
    service, _, name = method.rpartition("/")
    parts = service.split(".")
    return f"{parts[1]}.{name}" if len(parts) > 2 else method


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
