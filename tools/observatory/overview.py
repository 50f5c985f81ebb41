"""The first page: is anything wrong, and where."""

from __future__ import annotations

from observability.metrics import definitions as m
from tools.observatory import panels
from tools.observatory.grafana import Dashboard, Panel, Query, Row
from tools.observatory.queries import (
    FAILURE_RATIO,
    LATE_RATIO,
    METHOD,
    NOT_CLOSED,
    NOT_RUNNING,
    series,
)

_BY_SERVICE = {"by": "job", "legend": "{{job}}"}
_EDGE = 'rpc_caller="edge"'


def overview() -> Dashboard:
    """Everything at one glance."""
    return Dashboard(
        uid="overview",
        title="Plexus: overview",
        about="Is anything wrong, and where. Begin here.",
        rows=(
            Row("Now", _now()),
            Row(
                "Calls",
                (
                    panels.calls(**_BY_SERVICE),
                    panels.failing(**_BY_SERVICE),
                    panels.slow(**_BY_SERVICE),
                    panels.outcomes(_EDGE),
                ),
            ),
            Row("Objectives", _objectives()),
            Row(
                "How it is kept up",
                (
                    panels.breakers(),
                    panels.degradations(),
                    panels.shed(),
                    panels.hedges(),
                    panels.lag(),
                    panels.ready(),
                ),
            ),
        ),
    )


def _now() -> tuple[Panel, ...]:
    down = f"sum({series(m.PROCESSES, NOT_RUNNING)})"
    return (
        Panel(
            "Replicas that take calls",
            "Of each service.",
            panels.ready().queries,
            kind="stat",
            width=9,
            bad=1,
            low_is_bad=True,
        ),
        Panel(
            "Processes that do not run",
            "Held down, ended, or on their way out.",
            [Query(down, "processes")],
            kind="stat",
            width=3,
            bad=1,
        ),
        Panel(
            "Breakers not closed",
            "In all replicas.",
            [Query(f"sum({series(m.BREAKER, NOT_CLOSED)})", "breakers")],
            kind="stat",
            width=4,
            bad=1,
        ),
        Panel(
            "First certificate ends in",
            "Renewed at half of its life.",
            [Query(f"min({series(m.CERTIFICATE_LEFT)})", "certificate")],
            "s",
            kind="stat",
            width=4,
            bad=900,
            low_is_bad=True,
        ),
        Panel(
            "Alerts",
            "That fire now. The playbook of each is docs/playbooks/<name>.md.",
            [Query('count(ALERTS{alertstate="firing"}) or vector(0)', "firing")],
            kind="stat",
            width=4,
            bad=1,
        ),
    )


def _objectives() -> tuple[Panel, ...]:
    return (
        Panel(
            "Methods that fail most",
            "The share of calls of the last five minutes that failed on the platform's account, by method.",
            [Query(f"topk(10, {FAILURE_RATIO}5m)", "{{rpc_method}}")],
            "percentunit",
            warn=0.0005,
            bad=0.01,
        ),
        Panel(
            "Methods that are late most",
            "The share of answers of the last five minutes that came after the method's deadline.",
            [Query(f"topk(10, {LATE_RATIO}5m)", "{{rpc_method}}")],
            "percentunit",
            warn=0.001,
            bad=0.01,
        ),
        Panel(
            "Firing",
            "Every alert that fires or is about to, with what it is about.",
            [Query(f"sum by (alertname, severity, service, job, mesh_service, {METHOD}) (ALERTS)")],
            kind="table",
            width=24,
        ),
    )
