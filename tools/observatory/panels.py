"""Pictures that more than one dashboard shows."""

from __future__ import annotations

from observability.metrics import definitions as m
from tools.observatory.grafana import Panel, Query
from tools.observatory.queries import (
    METHOD,
    NOT_CLOSED,
    READY,
    STATUS,
    failure_ratio,
    per_second,
    quantile,
    series,
    shed_ratio,
)

_METHOD = "{{rpc_method}}"


def calls(*selectors: str, by: str = METHOD, legend: str = _METHOD) -> Panel:
    """How many calls are answered."""
    return Panel(
        "Calls answered",
        "Calls a second, however they ended.",
        [Query(per_second(m.ANSWERED, by, *selectors), legend)],
        "reqps",
    )


def failing(*selectors: str, by: str = METHOD, legend: str = _METHOD) -> Panel:
    """How many of them fail on the platform's account."""
    return Panel(
        "Share that fails",
        "Of the calls answered, those that failed on the platform's account. What is not found, or not "
        "allowed, is an answer.",
        [Query(failure_ratio(by, *selectors), legend)],
        "percentunit",
        warn=0.001,
        bad=0.01,
    )


def slow(*selectors: str, by: str = METHOD, legend: str = _METHOD) -> Panel:
    """How long answers take."""
    return Panel(
        "99 of 100 calls within",
        "The time that 99 of 100 calls took the server at most.",
        [Query(quantile(0.99, m.ANSWERED, by, *selectors), legend)],
        "s",
    )


def breakers(*selectors: str) -> Panel:
    """Which breakers are not closed."""
    return Panel(
        "Breakers that are not closed",
        "Replicas whose calls to the method are refused at once, or probed. 0: all is well.",
        [
            Query(
                f"sum by (job, {METHOD}) ({series(m.BREAKER, *selectors, NOT_CLOSED)})",
                "{{job}} → {{rpc_method}}",
            )
        ],
        warn=0.5,
        bad=1,
        decimals=0,
    )


def degradations(*selectors: str) -> Panel:
    """What answers lack."""
    return Panel(
        "Answers that lack something",
        "Answers a second without what an optional dependency would have given, as the contract allows.",
        [
            Query(
                per_second(m.DEGRADED, f"{METHOD}, rpc_dependency", *selectors),
                "{{rpc_method}} without {{rpc_dependency}}",
            )
        ],
        "reqps",
    )


def shed(*selectors: str, by: str = "criticality", legend: str = "{{criticality}}") -> Panel:
    """What is refused for want of places."""
    return Panel(
        "Share that finds no place",
        "Calls refused with OVERLOADED, of all that came. The least critical go first.",
        [Query(shed_ratio(by, *selectors), legend)],
        "percentunit",
        warn=0.001,
        bad=0.05,
    )


def hedges(*selectors: str) -> Panel:
    """What hedging does."""
    return Panel(
        "Hedges",
        "Attempts a second that were sent because an earlier one was late, calls they answered, and late "
        "calls for which the budget had none.",
        [
            Query(per_second(m.HEDGED, "job", *selectors), "{{job}} sent"),
            Query(per_second(m.HEDGES_WON, "job", *selectors), "{{job}} won"),
            Query(per_second(m.HEDGES_REFUSED, "job", *selectors), "{{job}} over budget"),
        ],
        "reqps",
    )


def retries(*selectors: str) -> Panel:
    """What gRPC sends again."""
    return Panel(
        "Retried attempts",
        "Attempts a second that arrived because an earlier one of the same call had failed.",
        [Query(per_second(m.RETRIED, METHOD, *selectors), _METHOD)],
        "reqps",
    )


def refusals(*selectors: str) -> Panel:
    """What a caller refuses itself."""
    return Panel(
        "Calls refused before they were sent",
        "Calls a second that an open breaker, or a full bulkhead, answered in the callee's place.",
        [
            Query(per_second(m.BREAKER_REFUSED, "job", *selectors), "{{job}} breaker"),
            Query(per_second(m.BULKHEAD_REFUSED, "job", *selectors), "{{job}} bulkhead"),
        ],
        "reqps",
    )


def ready() -> Panel:
    """Who takes calls."""
    return Panel(
        "Replicas that take calls",
        "As the control plane sees them.",
        [
            Query(
                f"sum by (mesh_service) ({series(m.ENDPOINTS, READY)})",
                "{{mesh_service}}",
            )
        ],
        decimals=0,
    )


def lag(*selectors: str) -> Panel:
    """Who is behind."""
    return Panel(
        "Followers are behind by",
        "The best of the replicas that follow a feed. Nothing is lost meanwhile; it is only not done yet.",
        [
            Query(
                f"min by (job, mesh_follower) ({series(m.FOLLOWER_LAG, *selectors)})",
                "{{job}} {{mesh_follower}}",
            )
        ],
        "s",
        warn=10,
        bad=60,
    )


def outcomes(*selectors: str) -> Panel:
    """How calls end."""
    return Panel(
        "Calls by outcome",
        "Calls a second by gRPC status.",
        [Query(per_second(m.ANSWERED, STATUS, *selectors), "{{rpc_response_status_code}}")],
        "reqps",
        stacked=True,
    )
