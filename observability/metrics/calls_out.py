"""What a process's calls to others came to: read from its channels, which only count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from observability.metrics import definitions
from observability.metrics.answered import cumulative
from plexus.client import BreakerView, Channel, CountsView
from plexus.client.counts import BOUNDS

STATES = ("closed", "open", "half-open")


def calls_out(
    channels: Callable[[], Iterable[Channel]], declared: Callable[[str], bool]
) -> Iterator[Any]:
    """The metrics of this instant, of every method whose path is *declared* to be called.

    A stub has every method of its service, and most of them a caller may not call.
    """
    opened = tuple(channels())
    counts = [view for channel in opened for view in channel.counts() if declared(view.method)]
    breakers = [view for channel in opened for view in channel.breakers() if declared(view.method)]
    yield from (*_counts(counts), *_breakers(breakers))


def _counts(views: Iterable[CountsView]) -> Iterator[Any]:
    durations = definitions.CALLED.family()
    late = definitions.HEDGE_DELAY.family()
    told = (
        definitions.BULKHEAD_REFUSED,
        definitions.HEDGED,
        definitions.HEDGES_WON,
        definitions.HEDGES_REFUSED,
    )
    families = [metric.family() for metric in told]
    for view in views:
        for outcome, (counts, seconds) in view.outcomes.items():
            durations.add_metric((view.method, outcome), cumulative(BOUNDS, counts), seconds)
        numbers = (view.no_place, view.hedged, view.rescued, view.over_budget)
        for family, number in zip(families, numbers, strict=True):
            family.add_metric((view.method,), number)
        if view.late_after:
            late.add_metric((view.method,), view.late_after)
    yield from (durations, *families, late)


def _breakers(views: Iterable[BreakerView]) -> Iterator[Any]:
    families = {metric: metric.family() for metric in definitions.BREAKERS}
    for view in views:
        method = (view.method,)
        for state in STATES:
            families[definitions.BREAKER].add_metric((view.method, state), view.state == state)
        families[definitions.BREAKER_FAILURES].add_metric(method, view.failures)
        families[definitions.BREAKER_PROBE].add_metric(method, view.next_probe)
        families[definitions.BREAKER_OPENED].add_metric(method, view.openings)
        families[definitions.BREAKER_REFUSED].add_metric(method, view.refusals)
        families[definitions.BREAKER_PROBED].add_metric(method, view.probes)
        if view.last_error:
            families[definitions.BREAKER_ERROR].add_metric((view.method, view.last_error), 1)
    yield from families.values()
