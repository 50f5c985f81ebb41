"""Holds what was seen against what was promised. Pure: observations in, cells and shortfalls out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from math import ceil
from types import MappingProxyType
from typing import TypeAlias

from mesh.chaos.model import (
    Cell,
    Effect,
    Expectation,
    Expected,
    Experiment,
    Observation,
    Seen,
    Shortfall,
    Verdict,
)

FAST = 0.3
"""Seconds within which a method fails for want of what it requires, or of its own dead service."""
Calls: TypeAlias = Sequence[Observation]

_REASON = "DEPENDENCY_UNAVAILABLE"


def judge(experiment: Experiment, seen: Seen) -> Verdict:
    """What became of the experiment."""
    cells = tuple(_cell(experiment, expected, seen) for expected in experiment.expects)
    figures = {each.name: measure(each, seen) for each in experiment.holds}
    shortfalls = [
        *(_shortfall(experiment, each, figures[each.name]) for each in experiment.holds),
        *(_broken(experiment, cell) for cell in cells if cell.seen is Effect.BROKEN),
    ]
    return Verdict(
        experiment=experiment,
        seen=seen,
        cells=cells,
        figures=MappingProxyType(figures),
        shortfalls=tuple(filter(None, shortfalls)),
    )


def skipped(experiment: Experiment, why: str) -> Verdict:
    """An experiment that could not be made here: its cells are not run."""
    cells = tuple(
        Cell(
            _fault(experiment), experiment.where, e.method, e.effect, Effect.UNTESTED, edges=e.edges
        )
        for e in experiment.expects
    )
    return Verdict(experiment, None, cells, skipped=why)


def percentile(values: Collection[float], share: float) -> float:
    """The nearest-rank percentile; 0 of nothing."""
    ranked = sorted(values)
    return ranked[max(0, ceil(share * len(ranked)) - 1)] if ranked else 0.0


def measure(expectation: Expectation, seen: Seen) -> float:
    """The figure that *expectation* is about. ValueError when there is no such measure."""
    if expectation.measure in seen.counted:
        return seen.counted[expectation.measure]
    try:
        compute = MEASURES[expectation.measure]
    except KeyError:
        raise ValueError(f"no measure is called {expectation.measure}") from None
    return compute(_selected(expectation, seen))


def _count(observations: Sequence[Observation]) -> float:
    return len(observations)


def _failed(observations: Sequence[Observation]) -> float:
    return sum(each.failed for each in observations)


def _late(observations: Sequence[Observation]) -> float:
    return sum(each.late for each in observations)


def _share(count: Callable[[Sequence[Observation]], float]) -> Callable[..., float]:
    return lambda seen: count(seen) / len(seen) if seen else 0.0


def _millis(share: float) -> Callable[[Sequence[Observation]], float]:
    return lambda seen: round(1000 * percentile([each.seconds for each in seen], share), 3)


MEASURES: Mapping[str, Callable[[Sequence[Observation]], float]] = {
    "calls": _count,
    "failed": _failed,
    "late": _late,
    "late_share": _share(_late),
    "failed_share": _share(_failed),
    "degraded": lambda seen: sum(bool(each.degraded) for each in seen),
    "p50_ms": _millis(0.5),
    "p90_ms": _millis(0.9),
    "p99_ms": _millis(0.99),
}
"""What can be measured of calls."""


def _selected(expectation: Expectation, seen: Seen) -> list[Observation]:
    """The calls that an expectation is about. Journeys repeat calls: they count by name only."""
    found = (o for o in seen.observations if fnmatchcase(o.method, expectation.subject))
    if expectation.subject == "*":
        found = (o for o in found if "." in o.method)
    if expectation.since is None and expectation.until is None:
        return list(found)
    windows = [
        (
            happened.began + (expectation.since or 0.0),
            happened.ended if expectation.until is None else happened.began + expectation.until,
        )
        for happened in seen.happenings
    ]
    return [o for o in found if any(start <= o.started < end for start, end in windows)]


def _shortfall(experiment: Experiment, each: Expectation, figure: float) -> Shortfall | None:
    promise = ""
    if each.at_most is not None and figure > each.at_most:
        promise = f"{each.name} is at most {each.at_most:g}"
    elif each.at_least is not None and figure < each.at_least:
        promise = f"{each.name} is at least {each.at_least:g}"
    return Shortfall(experiment.name, promise, f"{figure:g}") if promise else None


def _broken(experiment: Experiment, cell: Cell) -> Shortfall:
    return Shortfall(experiment.name, f"{cell.method} {cell.declared}", cell.why)


def _fault(experiment: Experiment) -> str:
    return str(experiment.faults[0].kind) if experiment.faults else ""


def _cell(experiment: Experiment, expected: Expected, seen: Seen) -> Cell:
    cell = Cell(
        fault=_fault(experiment),
        where=experiment.where,
        method=expected.method,
        declared=expected.effect,
        seen=expected.effect,
        edges=expected.edges,
    )
    if expected.effect is Effect.CATCHES_UP:
        return _caught_up(cell, seen)
    calls = [each for each in seen.observations if each.method == expected.method]
    during = [each for each in calls if _is_during(each, seen)]
    cell = replace(cell, numbers=_numbers(during))
    if not during:
        return replace(cell, seen=Effect.UNTESTED, why="it was not called")
    held = [each for each in calls if not _is_settling(each, seen, experiment.settles)]
    why = _JUDGES[expected.effect](expected, held, during)
    return replace(cell, seen=Effect.BROKEN, why=why) if why else cell


def _is_during(call: Observation, seen: Seen) -> bool:
    return any(happened.began <= call.started < happened.ended for happened in seen.happenings)


def _is_settling(call: Observation, seen: Seen, settles: float) -> bool:
    return any(0 <= call.started - each.began < settles for each in seen.happenings)


def _caught_up(cell: Cell, seen: Seen) -> Cell:
    found = [each for each in seen.catch_ups if each.task == cell.method]
    if not found:
        return replace(cell, seen=Effect.UNTESTED, why="its work could not be made")
    if (seconds := found[0].seconds) is None:
        return replace(cell, seen=Effect.BROKEN, why="it did not catch up")
    return replace(cell, numbers=MappingProxyType({"caught_up_s": round(seconds, 2)}))


def _works(expected: Expected, calls: Calls, during: Calls) -> str:
    """Neither while something is gone, nor while it goes or comes back, does it notice anything."""
    del expected, during
    if degraded := [each for each in calls if each.degraded]:
        return f"{len(degraded)} of {len(calls)} answers are degraded"
    return _unanswered(calls)


def _degraded(expected: Expected, calls: Calls, during: Calls) -> str:
    if why := _unanswered(calls):
        return why
    named = {each for one in during for each in one.degraded}
    if surplus := named - expected.lacks:
        return f"it also lacks {', '.join(sorted(surplus))}"
    if silent := expected.lacks - named:
        return f"no answer says that it lacks {', '.join(sorted(silent))}"
    return ""


def _fails(expected: Expected, calls: Calls, during: Calls) -> str:
    """One that requires what is gone says so, fast. One that is itself gone need only fail."""
    del calls
    failed = [each for each in during if each.failed]
    if not failed:
        return "it works without what it requires" if expected.edges else "the fault had no effect"
    if not expected.edges:
        return ""
    if untyped := [each for each in failed if each.reason != _REASON]:
        return f"{len(untyped)} of {len(during)} calls fail with {_common(untyped)}, not {_REASON}"
    slowest = max(each.seconds for each in failed)
    return f"it takes {1000 * slowest:.0f} ms to fail" if slowest > FAST else ""


def _unanswered(calls: Calls) -> str:
    if failed := [each for each in calls if each.failed]:
        return f"{len(failed)} of {len(calls)} calls fail with {_common(failed)}"
    if late := [each for each in calls if each.late]:
        return f"{len(late)} of {len(calls)} answers are late"
    return ""


_JUDGES: Mapping[Effect, Callable[[Expected, Calls, Calls], str]] = {
    Effect.WORKS: _works,
    Effect.DEGRADED: _degraded,
    Effect.FAILS: _fails,
}


def _numbers(seen: Sequence[Observation]) -> Mapping[str, float]:
    seconds = [each.seconds for each in seen]
    failing = [each.seconds for each in seen if each.failed]
    return MappingProxyType(
        {
            "calls": len(seen),
            "failed": sum(each.failed for each in seen),
            "degraded": sum(bool(each.degraded) for each in seen),
            "late": sum(each.late for each in seen),
            "median_ms": round(1000 * percentile(seconds, 0.5), 1),
            "p99_ms": round(1000 * percentile(seconds, 0.99), 1),
            "fails_in_ms": round(1000 * percentile(failing, 0.5), 1),
        }
    )


def _common(failed: Iterable[Observation]) -> str:
    """The most frequent reason."""
    reasons = [each.reason or each.outcome for each in failed]
    return max(sorted(set(reasons)), key=reasons.count)
