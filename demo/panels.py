"""The parts of the live screen, each drawn from what is known now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from demo.observations import Observations
from demo.promises import AVAILABLE, Journey, Phase, Tally
from demo.pulse import Beat
from mesh.topology import CONTROL_PLANE

INDENT = "  "
_BAR = 32
_DOTS = {Beat.READY: ("●", "green"), Beat.STARTING: ("●", "yellow"), Beat.DOWN: ("○", "bold red")}


def title(elapsed: float, width: int) -> RenderableType:
    """The name, and the seconds since the beginning."""
    clock = f"{elapsed:.0f} s"
    name = "Plexus demo"
    gap = max(2, min(width, 80) - len(INDENT) - len(name) - len(clock))
    return Text.assemble(INDENT, (name, "bold"), " " * gap, (clock, "dim"))


def stages(names: Sequence[str], now: str) -> RenderableType:
    """Where the story is."""
    place = names.index(now) if now in names else -1
    line = Text(INDENT)
    for number, name in enumerate(names):
        words = {"during": "billing dead", "before": "all well", "after": "billing back"}
        mark, style = ("✓", "green") if number < place else ("·", "dim")
        if number == place:
            mark, style = "▶", "bold red" if name == "during" else "bold cyan"
        line.append(f"{mark} {words.get(name, name)}   ", style)
    return line


def services(beats: Mapping[str, Mapping[str, Beat]]) -> RenderableType:
    """A dot for each process."""
    names = [*sorted(name for name in beats if name != CONTROL_PLANE), CONTROL_PLANE]
    line = Text(INDENT)
    for name in names:
        line.append(f"{name} ", "dim")
        for _, beat in sorted(beats.get(name, {}).items()):
            line.append(*_DOTS[beat])
        line.append("   ")
    return line


def journeys(seen: Observations) -> RenderableType:
    """Availability and tries, by journey and phase."""
    tallies = seen.tallies()
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="dim")
    table.add_column(INDENT + "journey")
    for phase in Phase:
        table.add_column(str(phase), justify="right", min_width=15)
    table.add_column("median", justify="right", min_width=8)
    for journey in Journey:
        cells = [_cell(tallies.get((journey, phase), Tally())) for phase in Phase]
        pace = seen.pace(journey)
        median = Text("–" if pace is None else f"{pace * 1000:,.0f} ms", "dim")
        table.add_row(Text(INDENT + journey, "bold"), *cells, median)
    return table


def backlog(seen: Observations) -> RenderableType:
    """Completed appointments against claimed ones."""
    completed, claimed = len(seen.completions), seen.claims
    scale = _BAR / max(completed, 1)
    waiting = max(completed - claimed, 0)
    text = Text()
    for name, count, style in (("completed", completed, "cyan"), ("claimed", claimed, "green")):
        text.append(f"{INDENT}{name:<10}", "dim")
        text.append("█" * round(count * scale), style)
        text.append(f" {count}\n")
    text.right_crop(1)
    if waiting:
        text.append("  ")
        text.append(f"{waiting} on their way to billing", "yellow")
    return text


def events(shown: Iterable[tuple[float, str, str]]) -> RenderableType:
    """What happened last: time, words, style."""
    text = Text(no_wrap=True, overflow="ellipsis")
    for at, words, style in shown:
        text.append(f"{at:6.1f} s  ", "dim")
        text.append(f"{words}\n", style)
    return text


def phase_in_words(seen: Observations, phase: Phase) -> str:
    """Availability of each journey in one phase, in a line."""
    tallies = seen.tallies()
    found = ((journey, tallies.get((journey, phase), Tally())) for journey in Journey)
    return ", ".join(
        f"{journey} {percent(tally.share)} of {tally.tried}" for journey, tally in found
    )


def percent(share: float | None) -> str:
    """A share for people; never 100 % when it is less."""
    if share is None:
        return "–"
    if share in (0, 1):
        return f"{share:.0%}".replace("%", " %")
    return f"{min(share, 0.999):.1%}".replace("%", " %")


def colour(share: float | None) -> str:
    """Green when it is as promised."""
    if share is None:
        return "dim"
    return "green" if share >= AVAILABLE else "red"


def _cell(tally: Tally) -> Text:
    cell = Text(percent(tally.share), colour(tally.share))
    return cell.append(f"{tally.tried:>5}" if tally.tried else "", "dim")
