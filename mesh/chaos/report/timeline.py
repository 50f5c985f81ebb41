"""Availability and latency over time, with the faults marked, as SVG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from math import nan

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from mesh.chaos.judge import percentile
from mesh.chaos.model import Observation, Seen

_BINS = 60
_SHORTEST_BIN = 0.25
_COLOURS = ("#3b6ea8", "#3f8f5b", "#a8683b", "#8a4fa0", "#777777")
_FAULT = "#c0392b"
_SIZE = (9.0, 3.4)
_MARGINS = {"left": 0.07, "right": 0.99, "top": 0.97, "bottom": 0.13, "hspace": 0.12}


def timeline(name: str, seen: Seen) -> str:
    """An `<svg>` element to be put into a page, on which *name* is its own."""
    # Text stays text, and the ids of one drawing are not those of another.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 8.0}):
        figure = Figure(figsize=_SIZE)
        upper, lower = figure.subplots(2, 1, sharex=True)
        figure.subplots_adjust(**_MARGINS)
        _draw(upper, lower, seen)
        text = StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    drawn = text.getvalue()
    return drawn[drawn.index("<svg") :]


def bins(seen: Seen) -> tuple[float, ...]:
    """Where the bins of time begin, in seconds from the start."""
    length = max(seen.ended - seen.began, _SHORTEST_BIN)
    width = max(length / _BINS, _SHORTEST_BIN)
    return tuple(width * number for number in range(int(length / width) + 1))


def availability(calls: Sequence[Observation]) -> float:
    """The share of calls that were answered, in percent; not a number where there were none."""
    return 100 * sum(not each.failed for each in calls) / len(calls) if calls else nan


def latency(calls: Sequence[Observation]) -> float:
    """The 95th percentile in milliseconds; not a number where there were no calls."""
    return 1000 * percentile([each.seconds for each in calls], 0.95) if calls else nan


def binned(calls: Iterable[Observation], seen: Seen) -> list[list[Observation]]:
    """The calls by the bin in which they began."""
    starts = bins(seen)
    width = starts[1] if len(starts) > 1 else _SHORTEST_BIN
    found: list[list[Observation]] = [[] for _ in starts]
    for each in calls:
        found[min(max(0, int((each.started - seen.began) / width)), len(found) - 1)].append(each)
    return found


def _draw(upper: Axes, lower: Axes, seen: Seen) -> None:
    starts = bins(seen)
    for (service, calls), colour in zip(_by_service(seen).items(), _COLOURS, strict=False):
        filled = binned(calls, seen)
        upper.step(
            starts, list(map(availability, filled)), where="post", color=colour, label=service
        )
        lower.step(starts, list(map(latency, filled)), where="post", color=colour)
    for axes in (upper, lower):
        _mark(axes, seen)
        axes.spines[["top", "right"]].set_visible(False)
    upper.set_ylim(-5, 105)
    upper.set_ylabel("answered, %")
    upper.legend(loc="lower right", ncols=5, frameon=False)
    lower.set_yscale("log")
    # Powers of ten would take the place of the label beside them.
    lower.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    lower.yaxis.set_major_formatter("{x:g}")
    lower.yaxis.set_minor_formatter(NullFormatter())
    lower.set_ylabel("p95, ms")
    lower.set_xlabel("seconds")


def _mark(axes: Axes, seen: Seen) -> None:
    for happened in seen.happenings:
        start, end = happened.began - seen.began, happened.ended - seen.began
        if end > start:
            axes.axvspan(start, end, color=_FAULT, alpha=0.08, lw=0)
        axes.axvline(start, color=_FAULT, lw=0.8, ls=":")


def _by_service(seen: Seen) -> Mapping[str, list[Observation]]:
    found: dict[str, list[Observation]] = {}
    for each in seen.observations:
        if "." in each.method:
            found.setdefault(each.method.partition(".")[0], []).append(each)
    return dict(sorted(found.items()))
