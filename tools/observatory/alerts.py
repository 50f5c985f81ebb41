"""The alerts of the platform itself: its mesh, its data, its own instruments."""

from __future__ import annotations

from observability.metrics import definitions as m
from tools.observatory.queries import (
    IN_USE,
    METHOD,
    NOT_CLOSED,
    READY,
    per_second,
    series,
    shed_ratio,
)
from tools.observatory.rules import Alert, Group

_VITAL = 'criticality="vital"'
_REST = 'criticality!="vital"'


def platform_alerts() -> Group:
    """Every alert that is not of one method."""
    return Group(
        "platform",
        "What is wrong with the platform, whichever method it concerns.",
        (*_processes(), *_calls(), *_data(), *_mesh(), *_instruments()),
    )


def _processes() -> tuple[Alert, ...]:
    ready = f"sum by (mesh_service) ({series(m.ENDPOINTS, READY)})"
    return (
        Alert(
            "ServiceDown",
            f"{ready} == 0",
            "15s",
            "page",
            "no replica of {{ $labels.mesh_service }} takes calls",
        ),
        Alert(
            "ReplicaMissing",
            f"sum by (mesh_service) ({series(m.PROCESSES)}) > on (mesh_service) {ready}",
            "1m",
            "ticket",
            "fewer replicas of {{ $labels.mesh_service }} take calls than should run",
        ),
        Alert(
            "ProcessRestarting",
            f"increase({series(m.RESTARTS)}[10m]) >= 3",
            "0s",
            "ticket",
            "{{ $labels.mesh_process }} ends again and again",
        ),
        Alert(
            "ControlPlaneDown",
            'up{job="control-plane"} == 0 or absent(up{job="control-plane"})',
            "2m",
            "page",
            "the control plane does not answer; certificates last for half of their life at least",
        ),
        Alert(
            "TargetDown",
            'up{job!="control-plane"} == 0',
            "1m",
            "ticket",
            "{{ $labels.instance }} does not tell its metrics",
        ),
    )


def _calls() -> tuple[Alert, ...]:
    degraded = per_second(m.DEGRADED, "rpc_method, rpc_dependency", window="5m")
    answered = per_second(m.ANSWERED, METHOD, 'rpc_response_status_code="OK"', window="5m")
    return (
        Alert(
            "BreakerOpen",
            f"max by (job, {METHOD}) ({series(m.BREAKER, NOT_CLOSED)}) == 1",
            "30s",
            "ticket",
            "{{ $labels.job }} has stopped calling {{ $labels.rpc_method }}",
        ),
        Alert(
            "CallsShed",
            f"{shed_ratio('job, criticality', _VITAL, window='5m')} > 0.001",
            "1m",
            "page",
            "{{ $labels.job }} refuses vital calls for want of places",
        ),
        Alert(
            "CallsShed",
            f"{shed_ratio('job, criticality', _REST, window='5m')} > 0.05",
            "5m",
            "ticket",
            "{{ $labels.job }} refuses {{ $labels.criticality }} calls for want of places",
        ),
        Alert(
            "BulkheadFull",
            f"{per_second(m.BULKHEAD_REFUSED, f'job, {METHOD}', window='5m')} > 0",
            "2m",
            "ticket",
            "{{ $labels.job }} has too many calls to {{ $labels.rpc_method }} under way",
        ),
        Alert(
            "HedgeBudgetSpent",
            f"{per_second(m.HEDGES_REFUSED, f'job, {METHOD}', window='5m')} > 0.1",
            "5m",
            "ticket",
            "more calls of {{ $labels.job }} to {{ $labels.rpc_method }} are late than may be hedged",
        ),
        Alert(
            "AnswersDegraded",
            f"{degraded} / on ({METHOD}) group_left () ({answered} > 0) > 0.01",
            "5m",
            "ticket",
            "{{ $labels.rpc_method }} answers without {{ $labels.rpc_dependency }}",
        ),
    )


def _data() -> tuple[Alert, ...]:
    lag = f"min by (job, mesh_follower) ({series(m.FOLLOWER_LAG)})"
    behind = "{{ $labels.job }} is behind with {{ $labels.mesh_follower }}"
    return (
        Alert("FollowerLagging", f"{lag} > 60", "1m", "ticket", behind),
        Alert("FollowerLagging", f"{lag} > 3600", "1m", "page", f"{behind}, by more than an hour"),
        Alert(
            "TaskOverdue",
            f"min by (job, mesh_task) ({series(m.TASK_OVERDUE)}) > 300",
            "1m",
            "ticket",
            "{{ $labels.mesh_task }} of {{ $labels.job }} does not succeed any more",
        ),
        Alert(
            "DatabaseContended",
            f"{per_second(m.CONNECTION_TIMEOUTS, 'job', window='5m')} > 0\nor\n"
            f"sum by (job) ({series(m.CONNECTIONS, _POOL, IN_USE)})"
            f" >= sum by (job) ({series(m.CONNECTIONS_MOST, _POOL)})",
            "1m",
            "ticket",
            "transactions of {{ $labels.job }} wait for the database in vain, or soon will",
        ),
    )


_POOL = 'db_client_connection_pool_name="all"'


def _mesh() -> tuple[Alert, ...]:
    return (
        Alert(
            "CertificateExpiring",
            f"{series(m.CERTIFICATE_LEFT)} / {series(m.CERTIFICATE_LIFE)} < 0.25",
            "1m",
            "page",
            "the certificate of {{ $labels.instance }} has not been renewed and ends soon",
        ),
        Alert(
            "XdsRefused",
            f"sum by (mesh_xds_type) (increase({series(m.XDS_NACKS)}[10m])) > 0",
            "0s",
            "ticket",
            "a client has refused a {{ $labels.mesh_xds_type }}; the last accepted one is served",
        ),
        Alert(
            "XdsBehind",
            f"{series(m.XDS_ACKNOWLEDGED)} < {series(m.XDS_SUBSCRIBERS)}",
            "2m",
            "ticket",
            "not every client uses the {{ $labels.mesh_xds_type }} that is served",
        ),
    )


def _instruments() -> tuple[Alert, ...]:
    return (
        Alert(
            "TracesLost",
            f"sum by (job) (increase({series(m.SPANS_LOST)}[10m])) > 0\nor\n"
            f"sum by (job) (increase({series(m.SPANS_NOT_FORWARDED)}[10m])) > 0",
            "0s",
            "ticket",
            "{{ $labels.job }} loses spans",
        ),
        Alert(
            "AuditFailing",
            f"max by (job) ({series(m.AUDIT_FAILING)}) == 1\nor\n"
            f"sum by (job) (increase({series(m.AUDIT_FAILURES)}[10m])) > 0",
            "0s",
            "page",
            "{{ $labels.job }} cannot write down who sees what, and refuses to show it",
        ),
    )
