"""Prometheus's rules: what is recorded, and the alerts of every method, from its contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from observability.metrics import definitions
from observability.objectives import BURNS, LEAST, WINDOWS, Burn, Objective, objectives
from plexus.contract import Contract
from tools.observatory.queries import (
    CALLS,
    FAILURE_BURN,
    FAILURE_RATIO,
    LATE_BURN,
    LATE_RATIO,
    METHOD,
    buckets,
    failure_ratio,
    per_second,
    series,
)

PLAYBOOKS = "docs/playbooks"
SEVERITIES = tuple(dict.fromkeys(burn.severity for burn in BURNS))


@dataclass(frozen=True, slots=True)
class Recording:
    """A series that is worked out once and read often."""

    name: str
    expression: str


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that somebody has to look at, as its playbook of the same name says.

    *hold* is for how long it must have been so. A `page` is looked at now, a `ticket` this week.
    """

    name: str
    expression: str
    hold: str
    severity: str
    summary: str
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def playbook(self) -> str:
        """Where its playbook is, from the root of the repository."""
        return f"{PLAYBOOKS}/{self.name}.md"


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together, in a file of that name."""

    name: str
    about: str
    rules: Sequence[Recording | Alert]


def recordings(contract: Contract) -> Group:
    """What is asked for again and again, by method: the shares of failed and of late calls over every
    window, and from them how fast they use up what an objective allows."""
    rules: list[Recording] = []
    timed = [objective for objective in objectives(contract) if objective.deadline]
    for window in WINDOWS:
        rules.append(Recording(FAILURE_RATIO + window, failure_ratio(METHOD, window=window)))
        rules.append(Recording(LATE_RATIO + window, _late_ratio(timed, window)))
    for window in sorted({burn.long for burn in BURNS}):
        calls = f"sum by ({METHOD}) (increase({series(definitions.ANSWERED)}[{window}]))"
        rules.append(Recording(CALLS + window, calls))
    for severity in SEVERITIES:
        rules.append(Recording(FAILURE_BURN + severity, _burn(FAILURE_RATIO, severity)))
        rules.append(Recording(LATE_BURN + severity, _burn(LATE_RATIO, severity)))
    return Group("objectives", "What the alerts of every method look at.", rules)


def method_alerts(contract: Contract, service: str) -> Group:
    """The alerts of every method of one service."""
    rules: list[Alert] = []
    for stated in objectives(contract):
        if stated.method.service == service:
            rules += _alerts(stated)
    return Group(service, f"The objectives of {service}, each from its contract.", rules)


def _late_ratio(timed: Sequence[Objective], window: str) -> str:
    """Each method by its own deadline: the bucket that ends there holds what was in time."""
    in_time = []
    for deadline, having in groupby(sorted(timed, key=_deadline), key=_deadline):
        names = "|".join(objective.method.path.replace(".", "[.]") for objective in having)
        bucket = buckets(definitions.ANSWERED, f'le="{deadline!r}"', f'{METHOD}=~"{names}"')
        in_time.append(f"  sum by ({METHOD}) (rate({bucket}[{window}]))")
    every = per_second(definitions.ANSWERED, METHOD, window=window)
    return "1 - (\n" + "\n  or\n".join(in_time) + f"\n) / ({every} > 0)"


def _deadline(objective: Objective) -> float:
    return float(objective.deadline)


def _burn(ratio: str, severity: str) -> str:
    """The share of calls that the fastest of the burns sees, in both its windows, over its rate: what
    is more than an objective allows is too fast."""
    fastest = ""
    for burn in BURNS:
        if burn.severity == severity:
            one = f"({_sustained(ratio, burn)})"
            fastest = f"{fastest} > {one}\nor\n{one}\nor\n{fastest}" if fastest else one
    return fastest


def _sustained(ratio: str, burn: Burn) -> str:
    long, short = ratio + burn.long, ratio + burn.short
    # The lesser of the two: it has gone on for long, and still does.
    lesser = f"({long} < {short} or {short})"
    return f"{lesser} / {burn.rate:g} and {long} * {CALLS}{burn.long} >= {LEAST}"


def _alerts(stated: Objective) -> Iterator[Alert]:
    name = stated.method.short
    failing = f"{name} fails more often than {_percent(stated.availability)} available allows"
    within = f"{_percent(stated.within_deadline)} within {stated.deadline:g} s"
    late = f"{name} is late more often than {within} allows"
    for severity in SEVERITIES:
        yield _alert("MethodFailing", severity, FAILURE_BURN, stated, stated.availability, failing)
        if stated.deadline:
            yield _alert("MethodLate", severity, LATE_BURN, stated, stated.within_deadline, late)


def _alert(
    name: str, severity: str, burn: str, stated: Objective, objective: float, summary: str
) -> Alert:
    method = stated.method
    return Alert(
        name=name,
        expression=f'{burn}{severity}{{{METHOD}="{method.path}"}} > {1 - objective:.4g}',
        hold="0s",
        severity=severity,
        summary=summary,
        labels={
            METHOD: method.path,
            "service": method.service,
            "criticality": method.criticality.name.lower(),
        },
    )


def _percent(share: float) -> str:
    return f"{share * 100:.4g} %"
