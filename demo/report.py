"""The end of the demo: a summary of one screen for people, and the same as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from demo.panels import INDENT, colour, percent
from demo.promises import Facts, Journey, Phase, Promise, held, report
from demo.story import Ending
from demo.tracer import Failure
from demo.traces import Branch, drawn
from mesh.command.traces import tree

_TIMELINE = 24


def summarize(ending: Ending, promises: Sequence[Promise], seconds: float) -> RenderableType:
    """Availability, promises, the trace of a call that went well and of one that did not, and the
    verdict."""
    return Group(
        Text(),
        _availability(ending.facts),
        Text(),
        _recovery(ending),
        Text(),
        _promises(promises),
        Text(),
        _trace(ending.trace),
        Text(),
        _failure(ending.failure),
        Text(),
        _verdict(promises, seconds),
    )


def write_json(path: Path, facts: Facts) -> None:
    """The facts as JSON."""
    path.write_text(json.dumps(report(facts), indent=2) + "\n", encoding="utf-8")


def _availability(facts: Facts) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="dim")
    table.add_column(INDENT + "available")
    for phase in Phase:
        table.add_column(str(phase), justify="right", min_width=9)
    table.add_column("")
    for journey in Journey:
        shares = [facts.availability(journey, phase) for phase in Phase]
        cells = [Text(percent(share), colour(share)) for share in shares]
        tried = sum(tally.tried for (which, _), tally in facts.tallies.items() if which is journey)
        table.add_row(Text(INDENT + journey, "bold"), *cells, Text(f"{tried} tries", "dim"))
    return table


def _recovery(ending: Ending) -> RenderableType:
    claimed = (
        f"and the {ending.waited} waiting visits were not claimed in time"
        if ending.caught_up_in is None
        else f"with all {ending.waited} waiting visits claimed in "
        f"{ending.restored_in + ending.caught_up_in:.1f} s"
    )
    text = Text(f"{INDENT}billing was back in {ending.restored_in:.1f} s, {claimed}")
    if ending.degraded:
        text.append(f"\n{INDENT}{ending.degraded} answers said what they lacked")
    if ending.returns:
        text.append(f"\n{INDENT}{ending.returns} calls were told to come back in a moment, and did")
    for (journey, phase, reason), count in sorted(ending.failures.items()):
        text.append(f"\n{INDENT}not served: {count} × {journey} {phase}, {reason}", "dim")
    return text


def _promises(promises: Sequence[Promise]) -> RenderableType:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
    for promise in promises:
        mark = Text(INDENT + "✓", "green") if promise.held else Text(INDENT + "✗", "bold red")
        seen = Text(promise.seen, "dim" if promise.held else "red")
        table.add_row(mark, Text(promise.words, no_wrap=True), seen)
    return table


def _trace(roots: Sequence[Branch]) -> RenderableType:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
    longest = max((root.start + root.length for root in roots), default=0.0)
    for root in roots:
        for stem, branch in drawn(root):
            table.add_row(
                Text.assemble(INDENT, (stem, "dim"), (branch.service, "bold")),
                branch.name.rpartition("/")[2],
                Text(f"{branch.length:.1f} ms", "dim", justify="right"),
                Text(_timeline(branch, longest), "cyan" if branch.status == "OK" else "red"),
            )
    return table


def _failure(failure: Failure) -> RenderableType:
    if not failure.spans:
        return Text(f"{INDENT}no trace of a call that failed", "red")
    return Padding(tree(failure.trace_id, failure.spans), (0, 0, 0, len(INDENT)))


def _timeline(branch: Branch, longest: float) -> str:
    scale = _TIMELINE / longest if longest else 0.0
    start = min(round(branch.start * scale), _TIMELINE - 1)
    return " " * start + "━" * max(1, round(branch.length * scale))


def _verdict(promises: Sequence[Promise], seconds: float) -> RenderableType:
    if held(promises):
        return Text(f"{INDENT}All {len(promises)} promises held, in {seconds:.0f} s.", "bold green")
    broken = sum(not promise.held for promise in promises)
    return Text(f"{INDENT}{broken} of {len(promises)} promises broken.", "bold red")


def directions(home: Path) -> RenderableType:
    """How to go on with what was left: a platform that still runs, or the logs of one that failed."""
    lines = []
    if (home / "runtime.lock").exists():
        lines = [
            f"It still runs: plexus --home {home} status",
            f"To stop it: plexus --home {home} down",
        ]
    elif (home / "logs").exists():
        lines = [f"Its logs are in {home / 'logs'}"]
    return Text("".join(f"{INDENT}{line}\n" for line in lines))
