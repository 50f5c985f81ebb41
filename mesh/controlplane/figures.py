"""What the control plane knows, in numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from mesh.controlplane.publisher import Publisher
from mesh.controlplane.registry import Registry
from mesh.topology import Topology
from observability.metrics import definitions
from plexus.mesh.v1 import replica_pb2

_STATES: Final = {
    number: name.removeprefix("REPLICA_STATE_").lower()
    for name, number in replica_pb2.ReplicaState.items()
    if number
}


def figures(registry: Registry, publisher: Publisher, topology: Topology) -> Iterator[Any]:
    """The metrics of this instant."""
    yield _endpoints(registry, topology)
    yield from _discovery(publisher)


def _endpoints(registry: Registry, topology: Topology) -> Any:
    # What there is none of is told too: an alert can only look at what is there.
    counts = {(service, state): 0 for service in sorted(topology.services) for state in _STATES}
    for replica in registry.status():
        counts[replica.service, replica.state] += 1
    family = definitions.ENDPOINTS.family()
    for (service, state), count in counts.items():
        family.add_metric((service, _STATES[state]), count)
    return family


def _discovery(publisher: Publisher) -> Iterator[Any]:
    pushes, acks, nacks = (
        metric.family()
        for metric in (definitions.XDS_PUSHES, definitions.XDS_ACKS, definitions.XDS_NACKS)
    )
    for kind, tally in publisher.tallies.items():
        pushes.add_metric((kind.label,), tally.sent)
        acks.add_metric((kind.label,), tally.accepted)
        nacks.add_metric((kind.label,), tally.refused)
    subscribers, acknowledged, versions = (
        metric.family()
        for metric in (
            definitions.XDS_SUBSCRIBERS,
            definitions.XDS_ACKNOWLEDGED,
            definitions.XDS_VERSION,
        )
    )
    for version in publisher.versions():
        subscribers.add_metric((version.type,), version.subscribers)
        acknowledged.add_metric((version.type,), version.acknowledged)
        versions.add_metric((version.type, version.version), 1)
    yield from (pushes, acks, nacks, subscribers, acknowledged, versions)
