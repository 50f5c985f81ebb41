"""The matrix as a page of the reference: docs/reference/blast-radius.md."""

from __future__ import annotations

from collections.abc import Iterator

from mesh.chaos.matrix import Matrix, Row
from mesh.chaos.model import Effect
from mesh.chaos.report.outcome import Outcome
from mesh.chaos.report.terminal import SIGNS, groups

_HEAD = """# The blast radius

What becomes of each method and journey when something is taken away. Every cell was both declared, by
the contracts, and seen, in a chaos run on a real platform of two replicas of each service. Written by
`make chaos`, which also leaves a page with timelines and numbers in build/chaos/report.html.

✓ works, whole and in time · ◐ answers, and says what it does without · ↻ makes up for it when it is over ·
– is itself gone, or requires what is gone, and fails · ? was not run · **BROKEN** did not do what was
declared
"""


def reference(outcome: Outcome) -> str:
    """The page. It holds no times, which differ from run to run."""
    matrix = outcome.matrix
    lines = [_HEAD, *_table("Journeys", matrix, [c for c in matrix.columns if "." not in c])]
    for service, columns in groups(c for c in matrix.columns if "." in c).items():
        lines += _table(service.capitalize(), matrix, list(columns))
    if matrix.broken:
        lines += ["## Not as declared", "", *_broken(matrix), ""]
    return "\n".join(lines)


def _table(title: str, matrix: Matrix, columns: list[str]) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| Taken away | " + " | ".join(c.partition(".")[2] or c for c in columns) + " |"
    yield "| --- " * (len(columns) + 1) + "|"
    for row in matrix.rows:
        yield f"| {row.name} | " + " | ".join(_sign(row, c) for c in columns) + " |"
    yield ""


def _sign(row: Row, column: str) -> str:
    cell = row.cells.get(column)
    if cell is None:
        return "·"
    return "**BROKEN**" if cell.seen is Effect.BROKEN else SIGNS[cell.seen]


def _broken(matrix: Matrix) -> Iterator[str]:
    for row in matrix.rows:
        for cell in row.cells.values():
            if cell.seen is Effect.BROKEN:
                yield f"- {row.name}: {cell.method} {cell.declared} by contract, but {cell.why}"
