"""What a chaos run, or the demo, does to the platform while it lasts."""

from __future__ import annotations

from observability.metrics import definitions as m
from tools.observatory import panels
from tools.observatory.grafana import Dashboard, Panel, Query, Row
from tools.observatory.queries import METHOD, NOT_RUNNING, per_second, series


def chaos() -> Dashboard:
    """The page. It shows minutes, by the second."""
    missing = f"{series(m.PROCESSES, NOT_RUNNING)} > 0"
    return Dashboard(
        uid="chaos",
        title="Plexus: chaos",
        about="What breaks, what holds, and by what means. For minutes, with samples every second or two.",
        marks={"a process is gone": f"sum by (mesh_service) ({missing})"},
        refresh="5s",
        since="now-10m",
        rows=(
            Row("What is broken", (panels.ready(), _processes())),
            Row(
                "What is felt",
                (panels.failing(), panels.slow(), _by_criticality(), panels.degradations()),
            ),
            Row(
                "What holds it",
                (
                    panels.breakers(),
                    _breaker_moves(),
                    panels.refusals(),
                    panels.hedges(),
                    panels.retries(),
                    panels.shed('job!=""', by="job, criticality", legend="{{job}} {{criticality}}"),
                    _places(),
                    panels.lag(),
                ),
            ),
        ),
    )


def _processes() -> Panel:
    return Panel(
        "Processes that do not run",
        "By service and state, and how often they were started again.",
        [
            Query(
                f"sum by (mesh_service, mesh_process_state) ({series(m.PROCESSES, NOT_RUNNING)})",
                "{{mesh_service}} {{mesh_process_state}}",
            ),
            Query(f"sum by (mesh_service) ({series(m.RESTARTS)})", "{{mesh_service}} restarts"),
        ],
        decimals=0,
    )


def _by_criticality() -> Panel:
    return Panel(
        "Let in, by criticality",
        "Calls a second. What is vital goes on longest.",
        [Query(per_second(m.ADMITTED, "criticality"), "{{criticality}}")],
        "reqps",
        stacked=True,
    )


def _breaker_moves() -> Panel:
    return Panel(
        "Breakers: openings and probes",
        "A second, by the method they guard.",
        [
            Query(per_second(m.BREAKER_OPENED, METHOD), "{{rpc_method}} opened"),
            Query(per_second(m.BREAKER_PROBED, METHOD), "{{rpc_method}} probed"),
        ],
        "ops",
    )


def _places() -> Panel:
    return Panel(
        "Places",
        "How many calls each replica would do at a time, and how many it does.",
        [
            Query(series(m.LIMIT), "{{instance}} limit"),
            Query(series(m.AT_WORK), "{{instance}} at work"),
        ],
    )
