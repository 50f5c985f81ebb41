"""The matrix and the verdict as they stand in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mesh.chaos.matrix import Matrix, Row
from mesh.chaos.model import Cell, Effect
from mesh.chaos.report.outcome import Outcome

_STYLES: Mapping[Effect, str] = {
    Effect.WORKS: "green",
    Effect.DEGRADED: "yellow",
    Effect.CATCHES_UP: "yellow",
    Effect.FAILS: "dim",
    Effect.BROKEN: "bold white on red",
    Effect.UNTESTED: "dim italic",
}
_SEVERITY = (
    Effect.BROKEN,
    Effect.FAILS,
    Effect.DEGRADED,
    Effect.CATCHES_UP,
    Effect.UNTESTED,
    Effect.WORKS,
)

# One cause can break a hundred promises.
_SHORTFALLS_SHOWN = 20

SIGNS: Mapping[Effect, str] = {
    Effect.WORKS: "✓",
    Effect.DEGRADED: "◐",
    Effect.CATCHES_UP: "↻",
    Effect.FAILS: "–",
    Effect.BROKEN: "✗",
    Effect.UNTESTED: "?",
}
"""What stands for an effect where there is no room for words."""


def summarize(outcome: Outcome) -> RenderableType:
    """All of it; the columns of a service are drawn together, so that it fits a terminal."""
    legend = "  ".join(f"{sign} {effect}" for effect, sign in SIGNS.items())
    drawn = (_matrix(outcome.matrix), Text(legend, style="dim"), Text())
    return Group(
        *(drawn if outcome.matrix.rows else ()),
        _figures(outcome.figures),
        Text(),
        *_verdict(outcome),
    )


def groups(columns: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """Journeys each by themselves, methods and tasks by service."""
    found: dict[str, list[str]] = {}
    for column in columns:
        found.setdefault(column.partition(".")[0], []).append(column)
    return found


def _matrix(matrix: Matrix) -> Table:
    table = Table(title="Blast radius", box=None, header_style="bold", title_justify="left")
    table.add_column("taken away", no_wrap=True)
    drawn = groups(matrix.columns)
    for name in drawn:
        table.add_column(name, no_wrap=True)
    for row in matrix.rows:
        table.add_row(row.name, *(_group(row, columns) for columns in drawn.values()))
    return table


def _group(row: Row, columns: Sequence[str]) -> Text:
    cells = [row.cells[column] for column in columns if column in row.cells]
    if not cells:
        return Text("·", style="dim")
    if "." not in cells[0].method:
        cell = cells[0]
        took = f"{cell.numbers['fails_in_ms']:.0f} ms" if cell.seen is Effect.FAILS else ""
        return Text(f"{SIGNS[cell.seen]}{took}", style=_STYLES[cells[0].seen])
    return _counted(cells)


def _counted(cells: Sequence[Cell]) -> Text:
    told = Text()
    for effect in _SEVERITY:
        if count := sum(cell.seen is effect for cell in cells):
            told.append(" " if told else "")
            told.append(f"{SIGNS[effect]}{count}", style=_STYLES[effect])
    return told


def _figures(figures: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table(box=None, show_header=False)
    for key, found in figures.items():
        told = ", ".join(
            f"{name} {value:,.4g}" if value < 1000 else f"{name} {value:,.0f}"
            for name, value in found.items()
        )
        table.add_row(Text(key, style="bold"), told)
    return table


def _verdict(outcome: Outcome) -> Iterator[Text]:
    for each in outcome.verdicts:
        if each.skipped:
            yield Text(f"- {each.experiment.name} was not run: {each.skipped}", style="dim")
    for shortfall in outcome.shortfalls[:_SHORTFALLS_SHOWN]:
        yield Text(f"✗ {shortfall}", style="red")
    if more := len(outcome.shortfalls[_SHORTFALLS_SHOWN:]):
        yield Text(f"✗ and {more} more, which the report tells", style="red")
    if outcome.held:
        yield Text(f"✓ every promise was kept, seed {outcome.seed}", style="green")
    else:
        yield Text(f"{len(outcome.shortfalls)} promises were not kept, seed {outcome.seed}")
