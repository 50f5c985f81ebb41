"""One page of HTML that needs nothing else: the verdict, the matrix, a timeline for each experiment."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from mesh.chaos.matrix import Matrix, Row, tell
from mesh.chaos.model import Cell, Verdict
from mesh.chaos.report.outcome import Outcome
from mesh.chaos.report.terminal import groups
from mesh.chaos.report.timeline import timeline

_STYLE = """
:root { --line: #ddd; --dim: #667; color-scheme: light; }
body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem auto; padding: 0 1.5rem;
  max-width: 110rem; color: #223; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { margin-top: 2.5rem; } h3 { margin: 0; }
p.dim, td.dim { color: var(--dim); }
.verdict { font-size: 1.1rem; padding: .6rem 1rem; border-radius: .4rem; display: inline-block; }
.held { background: #e2f4e6; } .fell { background: #fbe3e0; }
.wide { overflow: auto; max-height: 85vh; border: 1px solid var(--line); }
table { border-collapse: separate; border-spacing: 0; }
th, td { padding: .2rem .5rem; text-align: left; white-space: nowrap; border-bottom: 1px solid var(--line); }
.matrix td, .matrix th { border-right: 1px solid var(--line); font-size: 12px; }
.matrix thead th { position: sticky; top: 0; background: #fff; z-index: 1; }
.matrix thead tr + tr th { top: 1.75rem; writing-mode: vertical-rl;
  transform: rotate(180deg); vertical-align: top; }
.matrix th.name { position: sticky; left: 0; background: #fff; z-index: 2;
  writing-mode: horizontal-tb !important; transform: none !important; }
.works { background: #e9f6ec; } .degraded, .catches { background: #fdf5d8; }
.fails { background: #eceef1; color: #556; } .BROKEN { background: #c0392b; color: #fff; font-weight: 600; }
.not { color: #999; font-style: italic; }
section { margin: 1.2rem 0; border: 1px solid var(--line); border-radius: .4rem; padding: .8rem 1rem; }
section svg { max-width: 100%; height: auto; display: block; }
li.fell { background: none; color: #a32a1d; }
"""


def page(outcome: Outcome) -> str:
    """build/chaos/report.html."""
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Plexus: blast radius</title><style>{_STYLE}</style></head><body>",
            *_head(outcome),
            "<h2>Figures</h2>",
            *_figures(outcome),
            "<h2>Blast radius</h2>",
            "<p class=dim>Rows: what was taken away. Point at a cell to see what was declared.</p>",
            *_matrix(outcome.matrix),
            "<h2>Experiments</h2>",
            "<p class=dim>Calls by the service they went to. Red: a fault is in force.</p>",
            *(line for each in outcome.verdicts for line in _experiment(each)),
            "</body></html>",
        ]
    )


def _head(outcome: Outcome) -> Iterator[str]:
    yield "<h1>Blast radius</h1>"
    yield (
        f"<p class=dim>{outcome.began:%Y-%m-%d %H:%M} · {outcome.seconds / 60:.1f} minutes · seed "
        f"{outcome.seed} · {len(outcome.verdicts)} experiments</p>"
    )
    if outcome.held:
        yield '<p class="verdict held">Every promise was kept.</p>'
        return
    yield f'<p class="verdict fell">{len(outcome.shortfalls)} promises were not kept.</p><ul>'
    yield from (f"<li class=fell>{escape(str(each))}</li>" for each in outcome.shortfalls)
    yield "</ul>"


def _figures(outcome: Outcome) -> Iterator[str]:
    yield "<table>"
    for key, figures in outcome.figures.items():
        told = ", ".join(f"{escape(name)} {value:,.10g}" for name, value in figures.items())
        yield f"<tr><th>{escape(key)}</th><td>{told}</td></tr>"
    yield "</table>"


def _matrix(matrix: Matrix) -> Iterator[str]:
    drawn = groups(matrix.columns)
    yield "<div class=wide><table class=matrix><thead><tr><th class=name></th>"
    yield "".join(
        f"<th colspan={len(columns)}>{escape(name) if '.' in columns[0] else 'journey'}</th>"
        for name, columns in drawn.items()
    )
    yield "</tr><tr><th class=name>taken away</th>"
    yield "".join(f"<th>{escape(c.partition('.')[2] or c)}</th>" for c in matrix.columns)
    yield "</tr></thead><tbody>"
    for row in matrix.rows:
        yield f'<tr><th class=name title="{escape(row.about)}">{escape(row.name)}</th>'
        yield "".join(_cell(row, column) for column in matrix.columns)
        yield "</tr>"
    yield "</tbody></table></div>"


def _cell(row: Row, column: str) -> str:
    cell = row.cells.get(column)
    if cell is None:
        return "<td class=not>·</td>"
    kind = str(cell.seen).partition(" ")[0]
    return f'<td class={kind} title="{escape(_told(cell))}">{escape(tell(cell))}</td>'


def _told(cell: Cell) -> str:
    numbers = ", ".join(f"{name} {value:g}" for name, value in cell.numbers.items())
    why = f"\n{cell.why}" if cell.why else ""
    return f"{cell.method}\ndeclared: {cell.declared}{why}\n{numbers}"


def _experiment(verdict: Verdict) -> Iterator[str]:
    experiment = verdict.experiment
    yield f"<section><h3>{escape(experiment.name)}</h3><p class=dim>{escape(experiment.about)}"
    if verdict.figures:
        told = ", ".join(f"{name} {value:g}" for name, value in verdict.figures.items())
        yield f" · {escape(told)}"
    yield "</p>"
    if verdict.skipped:
        yield f"<p>Not run: {escape(verdict.skipped)}</p>"
    if verdict.shortfalls:
        yield "<ul>"
        yield from (f"<li class=fell>{escape(str(each))}</li>" for each in verdict.shortfalls)
        yield "</ul>"
    if verdict.seen:
        yield timeline(experiment.name, verdict.seen)
    yield "</section>"
