"""The mesh: who is there, who they are, what they are told, and whether they heed it."""

from __future__ import annotations

from observability.metrics import definitions as m
from tools.observatory import panels
from tools.observatory.grafana import Dashboard, Panel, Query, Row
from tools.observatory.queries import per_second, series

_CONTROL_PLANE = 'job="control-plane"'


def mesh() -> Dashboard:
    """The page."""
    return Dashboard(
        uid="mesh",
        title="Plexus: mesh",
        about="Who is there, who they are, what they are told, and whether they heed it.",
        rows=(
            Row("Processes", _processes()),
            Row("xDS", _discovery()),
            Row("Identity", _identity()),
            Row(
                "The control plane's own calls",
                (
                    panels.calls(_CONTROL_PLANE),
                    panels.slow(_CONTROL_PLANE),
                    panels.failing(_CONTROL_PLANE),
                ),
            ),
            Row("Feeds, traces, audit", (panels.lag(), _spans(), *_audit())),
        ),
    )


def _processes() -> tuple[Panel, ...]:
    return (
        panels.ready(),
        Panel(
            "Replicas by state",
            "As the control plane sees them. Unconfirmed: the lease broke, and nobody knows it to be gone.",
            [
                Query(
                    f"sum by (mesh_replica_state) ({series(m.ENDPOINTS)})", "{{mesh_replica_state}}"
                )
            ],
            stacked=True,
        ),
        Panel(
            "Processes by state",
            "As the runtime of this machine keeps them.",
            [
                Query(
                    f"sum by (mesh_process_state) ({series(m.PROCESSES)})",
                    "{{mesh_process_state}}",
                )
            ],
            stacked=True,
        ),
        Panel(
            "Restarts",
            "Of processes that ended by themselves.",
            [Query(f"sum by (mesh_process) ({series(m.RESTARTS)})", "{{mesh_process}}")],
            decimals=0,
        ),
    )


def _discovery() -> tuple[Panel, ...]:
    return (
        Panel(
            "Responses sent and taken up",
            "A second, by type.",
            [
                Query(per_second(m.XDS_PUSHES, "mesh_xds_type"), "{{mesh_xds_type}} sent"),
                Query(per_second(m.XDS_ACKS, "mesh_xds_type"), "{{mesh_xds_type}} taken up"),
            ],
            "ops",
        ),
        Panel(
            "Refused",
            "Responses that clients would not use, since the control plane began. The last accepted ones are "
            "served in their place.",
            [Query(f"sum by (mesh_xds_type) ({series(m.XDS_NACKS)})", "{{mesh_xds_type}}")],
            bad=1,
            decimals=0,
        ),
        Panel(
            "Clients behind",
            "That ask for a type and do not use what is served.",
            [
                Query(
                    f"{series(m.XDS_SUBSCRIBERS)} - {series(m.XDS_ACKNOWLEDGED)}",
                    "{{mesh_xds_type}}",
                )
            ],
            bad=1,
            decimals=0,
        ),
        Panel(
            "Versions",
            "What is served: hashes of the content, the same wherever the same is served.",
            [Query(f"max by (mesh_xds_type, mesh_xds_version) ({series(m.XDS_VERSION)})")],
            kind="table",
        ),
    )


def _identity() -> tuple[Panel, ...]:
    left, life = series(m.CERTIFICATE_LEFT), series(m.CERTIFICATE_LIFE)
    return (
        Panel(
            "Certificates: what is left of their life",
            "Renewed at a half. Below a quarter nobody renews them.",
            [Query(f"{left} / {life}", "{{instance}}")],
            "percentunit",
            warn=0.25,
            bad=0.5,
            low_is_bad=True,
            most=1,
        ),
        Panel(
            "Software",
            "What runs, by version.",
            [
                Query(
                    f"count by (service_name, service_version) ({series(m.TARGET)})",
                )
            ],
            kind="table",
        ),
    )


def _spans() -> Panel:
    return Panel(
        "Spans",
        "A second: taken by the backend, and lost.",
        [
            Query(per_second(m.SPANS_EXPORTED, "job"), "{{job}} sent"),
            Query(per_second(m.SPANS_LOST, "job"), "{{job}} lost"),
        ],
        "ops",
    )


def _audit() -> tuple[Panel, ...]:
    return (
        Panel(
            "Calls written down",
            "A second, and signatures over them.",
            [
                Query(per_second(m.AUDIT_ENTRIES, "job"), "{{job}}"),
                Query(per_second(m.AUDIT_CHECKPOINTS, "job"), "{{job}} signatures"),
            ],
            "ops",
        ),
        Panel(
            "Journals that cannot be written",
            "Their replicas refuse what must be written down.",
            [Query(f"sum by (job) ({series(m.AUDIT_FAILING)})", "{{job}}")],
            bad=1,
            decimals=0,
        ),
    )
