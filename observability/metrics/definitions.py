"""Every metric of the platform, once. Exposed, exported, documented and queried by these definitions.

In every process there are besides those of prometheus_client: `process_…` (processor time, memory,
descriptors, start) and `python_…`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from observability.metrics.metric import Kind, Metric

METHOD: Final = "rpc.method"
CALLER: Final = "rpc.caller"
STATUS: Final = "rpc.response.status_code"
DEPENDENCY: Final = "rpc.dependency"
CRITICALITY: Final = "criticality"
SERVICE: Final = "mesh.service"
TYPE: Final = "mesh.xds.type"
POOL: Final = "db.client.connection.pool.name"

TARGET: Final = Metric(
    "target.info",
    Kind.GAUGE,
    "",
    "1, with the resource that the process is.",
    ("service.name", "service.instance.id", "service.version"),
)
CERTIFICATE_LEFT: Final = Metric(
    "mesh.certificate.remaining",
    Kind.GAUGE,
    "s",
    "Until the process's own certificate expires; negative afterwards.",
)
CERTIFICATE_LIFE: Final = Metric(
    "mesh.certificate.lifetime", Kind.GAUGE, "s", "For how long that certificate was issued."
)

ANSWERED: Final = Metric(
    "rpc.server.call.duration",
    Kind.HISTOGRAM,
    "s",
    "Calls answered, by how long the server took, refusals included.",
    (METHOD, CALLER, STATUS),
)
RETRIED: Final = Metric(
    "rpc.server.retries",
    Kind.COUNTER,
    "{attempt}",
    "Attempts that came because an earlier one of the same call had failed, as gRPC's retry says of them.",
    (METHOD,),
)
DEGRADED: Final = Metric(
    "rpc.server.degradations",
    Kind.COUNTER,
    "{degradation}",
    "Answers that lack what an optional dependency would have given, by that dependency's method.",
    (METHOD, DEPENDENCY),
)
LIMIT: Final = Metric(
    "rpc.server.admission.limit",
    Kind.GAUGE,
    "{call}",
    "Calls that may be at work; follows latency.",
)
AT_WORK: Final = Metric("rpc.server.admission.at_work", Kind.GAUGE, "{call}", "Calls at work.")
WAITING: Final = Metric(
    "rpc.server.admission.waiting", Kind.GAUGE, "{call}", "Calls in the queue for a place."
)
STREAMS: Final = Metric("rpc.server.admission.streams", Kind.GAUGE, "{stream}", "Streams alive.")
ADMITTED: Final = Metric(
    "rpc.server.admission.admitted", Kind.COUNTER, "{call}", "Calls let in.", (CRITICALITY,)
)
QUEUED: Final = Metric(
    "rpc.server.admission.queued", Kind.COUNTER, "{call}", "Calls that had to wait.", (CRITICALITY,)
)
SHED: Final = Metric(
    "rpc.server.admission.shed",
    Kind.COUNTER,
    "{call}",
    "Calls refused because there was more to do than could be done in time.",
    (CRITICALITY,),
)

CALLED: Final = Metric(
    "rpc.client.call.duration",
    Kind.HISTOGRAM,
    "s",
    "Unary calls made, by how they ended for the caller: retries, hedges and refusals included.",
    (METHOD, STATUS),
)
BREAKER: Final = Metric(
    "rpc.client.breaker.state",
    Kind.GAUGE,
    "",
    "1 for the state that the breaker of the method is in, 0 for the others.",
    (METHOD, "rpc.breaker.state"),
)
BREAKER_FAILURES: Final = Metric(
    "rpc.client.breaker.failures", Kind.GAUGE, "{call}", "Calls in a row that failed.", (METHOD,)
)
BREAKER_PROBE: Final = Metric(
    "rpc.client.breaker.next_probe",
    Kind.GAUGE,
    "s",
    "Until the next probe is let through; 0 unless open.",
    (METHOD,),
)
BREAKER_ERROR: Final = Metric(
    "rpc.client.breaker.last_error",
    Kind.GAUGE,
    "",
    "1, with the status of the last failure. Absent before the first.",
    (METHOD, STATUS),
)
BREAKER_OPENED: Final = Metric(
    "rpc.client.breaker.openings", Kind.COUNTER, "{opening}", "Openings.", (METHOD,)
)
BREAKER_REFUSED: Final = Metric(
    "rpc.client.breaker.refusals", Kind.COUNTER, "{call}", "Calls refused while open.", (METHOD,)
)
BREAKER_PROBED: Final = Metric(
    "rpc.client.breaker.probes",
    Kind.COUNTER,
    "{call}",
    "Calls let through while open, to find out.",
    (METHOD,),
)
BULKHEAD_REFUSED: Final = Metric(
    "rpc.client.bulkhead.refusals",
    Kind.COUNTER,
    "{call}",
    "Calls refused because too many to that service were under way.",
    (METHOD,),
)
HEDGED: Final = Metric(
    "rpc.client.hedges",
    Kind.COUNTER,
    "{attempt}",
    "Attempts sent because an earlier one of the same call was late.",
    (METHOD,),
)
HEDGES_WON: Final = Metric(
    "rpc.client.hedges.won",
    Kind.COUNTER,
    "{call}",
    "Calls that such an attempt answered.",
    (METHOD,),
)
HEDGES_REFUSED: Final = Metric(
    "rpc.client.hedges.refused",
    Kind.COUNTER,
    "{call}",
    "Calls that were late and got no further attempt: the budget was spent.",
    (METHOD,),
)
HEDGE_DELAY: Final = Metric(
    "rpc.client.hedge.delay", Kind.GAUGE, "s", "After how long a call is late.", (METHOD,)
)

CONNECTIONS: Final = Metric(
    "db.client.connection.count",
    Kind.GAUGE,
    "{connection}",
    "Open connections, by pool and state (`idle`, `used`).",
    (POOL, "db.client.connection.state"),
)
CONNECTIONS_MOST: Final = Metric(
    "db.client.connection.max", Kind.GAUGE, "{connection}", "Connections that may be open.", (POOL,)
)
CONNECTIONS_AWAITED: Final = Metric(
    "db.client.connection.pending_requests",
    Kind.GAUGE,
    "{request}",
    "Transactions that wait for a connection, of SQLite's one writer for their turn.",
    (POOL,),
)
CONNECTION_WAITS: Final = Metric(
    "db.client.connection.waits",
    Kind.COUNTER,
    "{request}",
    "Transactions that had to wait for one.",
    (POOL,),
)
CONNECTION_TIMEOUTS: Final = Metric(
    "db.client.connection.timeouts",
    Kind.COUNTER,
    "{timeout}",
    "Transactions that waited in vain.",
    (POOL,),
)
FOLLOWER_LAG: Final = Metric(
    "mesh.follower.lag",
    Kind.GAUGE,
    "s",
    "By how much a follower of a feed is behind, as far as this replica knows.",
    ("mesh.follower",),
)
FOLLOWER_SEQUENCE: Final = Metric(
    "mesh.follower.sequence",
    Kind.GAUGE,
    "{event}",
    "The last event of the feed that was applied, as this replica knows it.",
    ("mesh.follower",),
)
FOLLOWER_FAILURES: Final = Metric(
    "mesh.follower.failures",
    Kind.GAUGE,
    "{failure}",
    "How often in a row the feed broke off, or an event could not be applied, without progress.",
    ("mesh.follower",),
)
TASK_OVERDUE: Final = Metric(
    "mesh.task.overdue",
    Kind.GAUGE,
    "s",
    "By how much the next successful turn of a periodic task is overdue.",
    ("mesh.task",),
)

ENDPOINTS: Final = Metric(
    "mesh.endpoints",
    Kind.GAUGE,
    "{replica}",
    "Replicas that the control plane knows, by state.",
    (SERVICE, "mesh.replica.state"),
)
XDS_PUSHES: Final = Metric(
    "mesh.xds.pushes", Kind.COUNTER, "{response}", "Responses sent to clients.", (TYPE,)
)
XDS_ACKS: Final = Metric(
    "mesh.xds.acks", Kind.COUNTER, "{response}", "Responses that a client took up.", (TYPE,)
)
XDS_NACKS: Final = Metric(
    "mesh.xds.nacks", Kind.COUNTER, "{response}", "Responses that a client refused.", (TYPE,)
)
XDS_SUBSCRIBERS: Final = Metric(
    "mesh.xds.subscribers", Kind.GAUGE, "{client}", "Clients that ask for the type.", (TYPE,)
)
XDS_ACKNOWLEDGED: Final = Metric(
    "mesh.xds.acknowledged", Kind.GAUGE, "{client}", "Clients that use what is served now.", (TYPE,)
)
XDS_VERSION: Final = Metric(
    "mesh.xds.version.info",
    Kind.GAUGE,
    "",
    "1, with the version (the hash of the content) that is served.",
    (TYPE, "mesh.xds.version"),
)

PROCESSES: Final = Metric(
    "mesh.processes",
    Kind.GAUGE,
    "{process}",
    "Processes that should run, by how they fare.",
    (SERVICE, "mesh.process.state"),
)
RESTARTS: Final = Metric(
    "mesh.process.restarts",
    Kind.COUNTER,
    "{restart}",
    "How often a process was started again after it had ended by itself.",
    (SERVICE, "mesh.process"),
)

SPANS_EXPORTED: Final = Metric(
    "otel.sdk.exporter.span.exported", Kind.COUNTER, "{span}", "Spans that were sent."
)
SPANS_LOST: Final = Metric(
    "otel.sdk.exporter.span.lost",
    Kind.COUNTER,
    "{span}",
    "Spans that nobody was sent: who takes them did not, or there were too many to keep.",
)

SPANS_NOT_FORWARDED: Final = Metric(
    "mesh.spans.forward.dropped",
    Kind.COUNTER,
    "{batch}",
    "Batches of spans that Jaeger, or whoever else is sent them, did not get.",
)

AUDIT_ENTRIES: Final = Metric(
    "mesh.audit.entries", Kind.COUNTER, "{entry}", "Calls that were written down."
)
AUDIT_CHECKPOINTS: Final = Metric(
    "mesh.audit.checkpoints", Kind.COUNTER, "{signature}", "Signatures over what was written."
)
AUDIT_FAILURES: Final = Metric(
    "mesh.audit.failures", Kind.COUNTER, "{write}", "Writes that failed."
)
AUDIT_UNSYNCED: Final = Metric(
    "mesh.audit.unsynced", Kind.GAUGE, "{entry}", "Entries that a loss of power would take."
)
AUDIT_FAILING: Final = Metric(
    "mesh.audit.failing",
    Kind.GAUGE,
    "",
    "1 while nothing can be written down, and calls that must be are refused.",
)

EVERYWHERE: Final = (TARGET, CERTIFICATE_LEFT, CERTIFICATE_LIFE, SPANS_EXPORTED, SPANS_LOST)
SERVER: Final = (
    *(ANSWERED, RETRIED, DEGRADED),
    *(LIMIT, AT_WORK, WAITING, STREAMS, ADMITTED, QUEUED, SHED),
)
BREAKERS: Final = (
    *(BREAKER, BREAKER_FAILURES, BREAKER_PROBE, BREAKER_ERROR),
    *(BREAKER_OPENED, BREAKER_REFUSED, BREAKER_PROBED),
)
CLIENT: Final = (
    *(CALLED, *BREAKERS, BULKHEAD_REFUSED),
    *(HEDGED, HEDGES_WON, HEDGES_REFUSED, HEDGE_DELAY),
)
DATABASE: Final = (
    *(CONNECTIONS, CONNECTIONS_MOST, CONNECTIONS_AWAITED),
    *(CONNECTION_WAITS, CONNECTION_TIMEOUTS),
)
TASKS: Final = (FOLLOWER_LAG, FOLLOWER_SEQUENCE, FOLLOWER_FAILURES, TASK_OVERDUE)
CONTROL_PLANE: Final = (
    *(ENDPOINTS, XDS_PUSHES, XDS_ACKS, XDS_NACKS),
    *(XDS_SUBSCRIBERS, XDS_ACKNOWLEDGED, XDS_VERSION),
)
RUNTIME: Final = (PROCESSES, RESTARTS, SPANS_NOT_FORWARDED)
AUDIT: Final = (
    *(AUDIT_ENTRIES, AUDIT_CHECKPOINTS, AUDIT_FAILURES),
    *(AUDIT_UNSYNCED, AUDIT_FAILING),
)

GROUPS: Final[Mapping[str, Sequence[Metric]]] = {
    "Every process": EVERYWHERE,
    "Calls in": SERVER,
    "Calls out": CLIENT,
    "The database": DATABASE,
    "Tasks": TASKS,
    "Audit": AUDIT,
    "The control plane": CONTROL_PLANE,
    "The runtime": RUNTIME,
}
"""Every metric, by who has it. What stands under *Calls in* the control plane and the runtime have too."""

BY_BASE: Final[Mapping[str, Metric]] = {
    metric.base: metric for group in GROUPS.values() for metric in group
}
"""Every metric by its name in Prometheus, without what its kind appends."""
