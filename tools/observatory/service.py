"""One service: what it is asked, how it answers, whom it asks, and what it runs on."""

from __future__ import annotations

from observability.metrics import definitions as m
from tools.observatory import panels
from tools.observatory.grafana import INTERVAL, Dashboard, Panel, Query, Row, Variable
from tools.observatory.queries import IN_USE, METHOD, STATUS, per_second, quantile, series

_THIS = 'job="$service"'
_INSTANCE = "{{instance}}"


def service(services: list[str]) -> Dashboard:
    """The page of one of *services*, chosen at its head."""
    return Dashboard(
        uid="service",
        title="Plexus: one service",
        about="What one service is asked, how it answers, whom it asks, and what it runs on.",
        variables=[Variable("service", "Service", services)],
        rows=(
            Row(
                "Calls in",
                (
                    panels.calls(_THIS),
                    panels.calls(_THIS, by="rpc_caller", legend="{{rpc_caller}}"),
                    panels.failing(_THIS),
                    panels.outcomes(_THIS),
                    panels.slow(_THIS),
                    _half(),
                    panels.degradations(_THIS),
                    panels.retries(_THIS),
                ),
            ),
            Row("The door", _door()),
            Row("Calls out", _calls_out()),
            Row("What it runs on", _resources()),
        ),
    )


def _half() -> Panel:
    return Panel(
        "Half of the calls within",
        "The time that half of the calls took the server at most.",
        [Query(quantile(0.5, m.ANSWERED, METHOD, _THIS), "{{rpc_method}}")],
        "s",
    )


def _door() -> tuple[Panel, ...]:
    return (
        Panel(
            "Places",
            "The limit follows latency. At work beyond it there is nobody; who waits is in the queue.",
            [
                Query(f"sum({series(m.LIMIT, _THIS)})", "limit"),
                Query(f"sum({series(m.AT_WORK, _THIS)})", "at work"),
                Query(f"sum({series(m.WAITING, _THIS)})", "waiting"),
                Query(f"sum({series(m.STREAMS, _THIS)})", "streams"),
            ],
        ),
        Panel(
            "Let in, queued, refused",
            "Calls a second at the door.",
            [
                Query(per_second(m.ADMITTED, "criticality", _THIS), "let in, {{criticality}}"),
                Query(per_second(m.QUEUED, "criticality", _THIS), "queued, {{criticality}}"),
                Query(per_second(m.SHED, "criticality", _THIS), "refused, {{criticality}}"),
            ],
            "reqps",
        ),
    )


def _calls_out() -> tuple[Panel, ...]:
    return (
        Panel(
            "Calls made",
            "Calls a second, by the dependency's method and how they ended.",
            [
                Query(
                    per_second(m.CALLED, f"{METHOD}, {STATUS}", _THIS),
                    "{{rpc_method}} {{rpc_response_status_code}}",
                )
            ],
            "reqps",
        ),
        Panel(
            "99 of 100 calls made within",
            "What the caller waited, refusals and hedges included.",
            [Query(quantile(0.99, m.CALLED, METHOD, _THIS), "{{rpc_method}}")],
            "s",
        ),
        panels.breakers(_THIS),
        panels.refusals(_THIS),
        panels.hedges(_THIS),
        Panel(
            "A call is late after",
            "What most calls of late took less than: then another attempt is sent.",
            [Query(f"max by ({METHOD}) ({series(m.HEDGE_DELAY, _THIS)})", "{{rpc_method}}")],
            "s",
        ),
    )


def _resources() -> tuple[Panel, ...]:
    pool = "db_client_connection_pool_name"
    return (
        Panel(
            "Processor",
            "Cores in use.",
            [
                Query(
                    f"sum by (instance) (rate(process_cpu_seconds_total{{{_THIS}}}[{INTERVAL}]))",
                    _INSTANCE,
                )
            ],
            "short",
            width=8,
        ),
        Panel(
            "Memory",
            "Resident.",
            [Query(f"process_resident_memory_bytes{{{_THIS}}}", _INSTANCE)],
            "bytes",
            width=8,
        ),
        Panel(
            "Descriptors",
            "Open files and connections.",
            [Query(f"process_open_fds{{{_THIS}}}", _INSTANCE)],
            width=8,
        ),
        Panel(
            "Database connections in use",
            "Of each pool.",
            [
                Query(
                    f"sum by ({pool}) ({series(m.CONNECTIONS, _THIS, IN_USE)})",
                    f"{{{{{pool}}}}}",
                )
            ],
            width=8,
        ),
        Panel(
            "Transactions that wait",
            "For their turn to write: a second, and those whose time ran out.",
            [
                Query(per_second(m.CONNECTION_WAITS, "instance", _THIS), "{{instance}} waited"),
                Query(per_second(m.CONNECTION_TIMEOUTS, "instance", _THIS), "{{instance}} in vain"),
            ],
            "ops",
            width=8,
        ),
        Panel(
            "Certificate ends in",
            "Renewed at half of its life.",
            [Query(series(m.CERTIFICATE_LEFT, _THIS), _INSTANCE)],
            "s",
            width=8,
        ),
        Panel(
            "Tasks are overdue by",
            "Work that is done by the clock.",
            [
                Query(
                    f"min by (mesh_task) ({series(m.TASK_OVERDUE, _THIS)})",
                    "{{mesh_task}}",
                )
            ],
            "s",
            width=8,
            warn=60,
            bad=300,
        ),
    )
