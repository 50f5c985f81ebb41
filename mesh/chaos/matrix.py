"""The blast-radius matrix: rows what was taken away and where, columns methods and journeys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mesh.chaos.derive import Edge, edges
from mesh.chaos.model import Cell, Effect, Verdict
from plexus.contract import Contract

_DERIVED = frozenset({"kill", "stop", "slow", "fail"})


@dataclass(frozen=True, slots=True)
class Row:
    """One loss; *cells* are by column."""

    name: str
    fault: str
    where: str
    about: str
    cells: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Matrix:
    """All of it."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def broken(self) -> tuple[Cell, ...]:
        """The cells in which a promise was not kept."""
        return tuple(
            cell for row in self.rows for cell in row.cells.values() if cell.seen is Effect.BROKEN
        )


def assemble(verdicts: Iterable[Verdict]) -> Matrix:
    """The matrix of every experiment that has a row."""
    rows = [
        Row(
            name=each.experiment.name,
            fault=each.cells[0].fault,
            where=each.experiment.where,
            about=each.experiment.about,
            cells={cell.method: cell for cell in each.cells},
        )
        for each in verdicts
        if each.cells
    ]
    columns = dict.fromkeys(column for row in rows for column in row.cells)
    return Matrix(columns=tuple(sorted(columns, key=_place)), rows=tuple(rows))


def tell(cell: Cell | None) -> str:
    """What stands in a cell."""
    if cell is None:
        return "·"
    if cell.seen is Effect.FAILS:
        return f"fails in {cell.numbers.get('fails_in_ms', 0):.0f} ms"
    if cell.seen is Effect.CATCHES_UP:
        return f"catches up in {cell.numbers.get('caught_up_s', 0):.1f} s"
    return str(cell.seen)


def count_edges(contract: Contract, verdicts: Sequence[Verdict]) -> Mapping[str, int]:
    """How many calls are declared, how many of them were tested in every way, how many are broken."""
    declared = edges(contract)
    ways: dict[Edge, set[str]] = {edge: set() for edge in declared}
    broken: set[Edge] = set()
    for cell in (cell for each in verdicts for cell in each.cells):
        for edge in (Edge(cell.method, target) for target in cell.edges):
            if edge not in ways or cell.seen is Effect.UNTESTED:
                continue
            ways[edge].add(cell.fault)
            if cell.seen is Effect.BROKEN:
                broken.add(edge)
    tested = sum(found >= _DERIVED for found in ways.values())
    return {"declared": len(declared), "tested": tested, "broken": len(broken)}


def _place(column: str) -> tuple[int, str]:
    """Journeys first, then methods and tasks by service."""
    return (1 if "." in column else 0, column)
