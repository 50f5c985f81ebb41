"""docs/reference/metrics.md: every metric, every objective, every alert."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from observability.metrics import Metric
from observability.metrics.definitions import GROUPS
from observability.objectives import BURNS, LEAST, objectives
from plexus.contract import Contract
from plexus.contract.graph import duration
from tools.observatory.alerts import platform_alerts
from tools.observatory.rules import Alert, method_alerts

OPENING = """# Metrics, objectives, alerts

Written by `python -m tools.observatory render` from the contracts, `observability/metrics/definitions.py`
and `observability/objectives.py`.

Every process answers Prometheus at `http://127.0.0.1:<port>/metrics`. The port is chosen when it first
starts and kept; `prometheus/targets.json` in the state folder lists them all, as file-based discovery.
`PLEXUS_METRICS=host:port` says where else to listen. With `PLEXUS_OTLP_METRICS=host:port` the same
numbers are sent by OTLP as well, every ten seconds, under the names in the first column.

Labels that every series has: `job`, the service, and `instance`, the process. Names are
OpenTelemetry's, from its semantic conventions where they have one; Prometheus's spelling follows from
them. Whatever a message holds is never a label.
"""

_WHO = {
    "Calls in": "Of services, the control plane and the runtime.",
    "Calls out": "Of services. Feeds are not calls that end; see *Tasks*.",
    "The database": "Of services. SQLite has the pools `read` and `write`, PostgreSQL `all`, its queue not "
    "counted.",
    "Tasks": "Of services.",
}


def page(contract: Contract) -> str:
    """The text of the page."""
    sections = [OPENING]
    for name, metrics in GROUPS.items():
        told = f"{_WHO[name]}\n\n" if name in _WHO else ""
        sections.append(f"## {name}\n\n{told}{_table(_METRICS, [_metric(m) for m in metrics])}")
    sections += [_objectives(contract), _alerts(contract)]
    return "\n".join(sections)


_METRICS = ("OpenTelemetry", "Prometheus", "Kind", "Labels", "Meaning")


def _metric(metric: Metric) -> tuple[str, ...]:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "–"
    return f"`{metric.name}`", f"`{metric.exposed}`", metric.kind.value, labels, metric.meaning


def _objectives(contract: Contract) -> str:
    rows = [
        (
            f"`{stated.method.short}`",
            stated.method.criticality.name.lower(),
            _percent(stated.availability),
            f"{_percent(stated.within_deadline)} within {duration(stated.deadline)}"
            if stated.deadline
            else "–",
        )
        for stated in objectives(contract)
    ]
    header = ("Method", "Criticality", "Does not fail", "Answers")
    windows = "; ".join(
        f"{burn.rate:g} times too fast over {burn.long} and {burn.short}: {burn.severity}"
        for burn in BURNS
    )
    told = (
        "Availability follows criticality, the latency objective is the deadline. A method has an alert for "
        f"each, when its budget of a month is used up {windows}; never for fewer than {LEAST} calls. "
        "Failures are those of the platform: what is not found, not allowed or not valid is an answer."
    )
    return f"## Objectives\n\n{told}\n\n{_table(header, rows)}"


def _alerts(contract: Contract) -> str:
    found: dict[str, list[Alert]] = {}
    for alert in _every(contract):
        found.setdefault(alert.name, []).append(alert)
    rows = [
        (
            f"[{name}](../playbooks/{name}.md)",
            ", ".join(dict.fromkeys(alert.severity for alert in alerts)),
            f"one for each method and severity, {len(alerts)}"
            if len({alert.labels.get("rpc_method") for alert in alerts}) > 1
            else ", ".join(f"`{alert.hold}`" for alert in alerts),
        )
        for name, alerts in sorted(found.items())
    ]
    return f"## Alerts\n\n{_table(('Alert and playbook', 'Severity', 'After'), rows)}"


def _every(contract: Contract) -> Iterator[Alert]:
    groups = [*(method_alerts(contract, name) for name in contract.workloads), platform_alerts()]
    for group in groups:
        yield from (rule for rule in group.rules if isinstance(rule, Alert))


def _percent(share: float) -> str:
    return f"{share * 100:.4g} %"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
