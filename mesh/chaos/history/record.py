"""A history as a file, to be looked into: a JSON object on each line. It holds ids, counts and times."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mesh.chaos.history.books import Books
from mesh.chaos.history.checker import Violation
from mesh.chaos.history.operation import Operation


def write(
    path: Path, violations: Iterable[Violation], history: Iterable[Operation], found: Books
) -> None:
    """First what was broken, then every operation in the order of its end, then the feed's events."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for line in _lines(violations, history, found):
            file.write(json.dumps({k: v for k, v in line.items() if v != ""}) + "\n")


def _lines(
    violations: Iterable[Violation], history: Iterable[Operation], found: Books
) -> Iterator[dict[str, Any]]:
    for violation in violations:
        yield {"broken": violation.invariant.name, "detail": violation.detail}
    for one in sorted(history, key=lambda operation: operation.ended):
        answer = one.answer
        yield {
            "process": one.process,
            "kind": one.kind.value,
            "key": one.key,
            "subject": one.subject,
            "amount": one.amount or "",
            "status": one.status.value,
            "reason": one.reason,
            "began": round(one.began, 4),
            "ended": round(one.ended, 4),
            "answer": [answer.subject, answer.version, answer.amount] if answer else "",
        }
    for event in found.events:
        told = event.appointment
        yield {
            "event": event.sequence,
            "change": event.change.value,
            "appointment": told.id,
            "version": told.version,
            "practitioner": told.practitioner,
            "start": told.start,
        }
