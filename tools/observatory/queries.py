"""PromQL, put together from the definitions of the metrics, so that no name is written twice."""

from __future__ import annotations

from typing import Final

from observability.metrics import Kind, Metric, definitions
from observability.objectives import FAILURES

INTERVAL: Final = "$__rate_interval"
"""What Grafana replaces by a window that holds enough samples."""

METHOD: Final = "rpc_method"
STATUS: Final = "rpc_response_status_code"
FAILED: Final = f'{STATUS}=~"{"|".join(FAILURES)}"'

READY: Final = 'mesh_replica_state="ready"'
NOT_RUNNING: Final = 'mesh_process_state!="running"'
NOT_CLOSED: Final = 'rpc_breaker_state!="closed"'
IN_USE: Final = 'db_client_connection_state="used"'
"""Selections that more than one query makes."""

FAILURE_RATIO: Final = "rpc_method:rpc_server_failures:ratio_rate"
LATE_RATIO: Final = "rpc_method:rpc_server_late:ratio_rate"
CALLS: Final = "rpc_method:rpc_server_calls:increase"
"""What the recorded series are called, but for the window."""

FAILURE_BURN: Final = "rpc_method:rpc_server_failures:burn_"
LATE_BURN: Final = "rpc_method:rpc_server_late:burn_"
"""The same, but for the severity."""


def series(metric: Metric, *selectors: str) -> str:
    """The series of *metric*, of a histogram its counts, that *selectors* leave."""
    name = metric.exposed + ("_count" if metric.kind is Kind.HISTOGRAM else "")
    return name + _braced(*selectors)


def buckets(metric: Metric, *selectors: str) -> str:
    """The buckets of a histogram."""
    return f"{metric.exposed}_bucket{_braced(*selectors)}"


def per_second(metric: Metric, by: str, *selectors: str, window: str = INTERVAL) -> str:
    """How many a second, by the labels *by*."""
    return f"sum by ({by}) (rate({series(metric, *selectors)}[{window}]))"


def ratio(part: str, whole: str) -> str:
    """*part* of *whole*, two sums by the same labels: 0 where there is a whole and no part."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def quantile(share: float, metric: Metric, by: str, *selectors: str) -> str:
    """The duration, in seconds, that a *share* of calls did not exceed."""
    rates = f"sum by (le, {by}) (rate({buckets(metric, *selectors)}[{INTERVAL}]))"
    return f"histogram_quantile({share:g}, {rates})"


def failure_ratio(by: str, *selectors: str, window: str = INTERVAL) -> str:
    """The share of calls that failed on the platform's account."""
    answered = definitions.ANSWERED
    failed = per_second(answered, by, *selectors, FAILED, window=window)
    return ratio(failed, per_second(answered, by, *selectors, window=window))


def shed_ratio(by: str, *selectors: str, window: str = INTERVAL) -> str:
    """The share of calls that found no place."""
    refused = per_second(definitions.SHED, by, *selectors, window=window)
    admitted = per_second(definitions.ADMITTED, by, *selectors, window=window)
    return f"{refused} / ({refused} + {admitted} > 0)"


def _braced(*selectors: str) -> str:
    return "{" + ", ".join(selectors) + "}" if selectors else ""
