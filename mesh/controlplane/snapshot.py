"""One consistent state of all resources, which never changes once made.

The version of a type is the hash of its content: the same content has the same version in every
process that ever serves it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import RouteAction
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.clusters.aggregate.v3.cluster_pb2 import ClusterConfig
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryResponse
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import Message

from mesh.controlplane.resources import Kind

_VERSION_LENGTH = 16


class InconsistentError(Exception):
    """A resource refers to one that is not there. Serving it would fail the calls through it."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource, serialised once, with the names of what it refers to."""

    name: str
    packed: Packed
    digest: str
    needs: frozenset[tuple[Kind, str]]


@dataclass(frozen=True, slots=True)
class Resources:
    """All resources of one type, by name.

    What clients get of it is made once for all that ask for the same.
    """

    version: str
    by_name: Mapping[str, Resource]
    _digests: dict[frozenset[str], Mapping[str, str]] = field(default_factory=dict, compare=False)
    _contents: dict[tuple[str, ...], bytes] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, resources: Iterable[Resource]) -> Resources:
        """The resources under the version that their content gives them."""
        ordered = sorted(resources, key=lambda resource: resource.name)
        content = "".join(f"{resource.name}\0{resource.digest}\0" for resource in ordered)
        return cls(
            version=_digest(content.encode()),
            by_name=MappingProxyType({resource.name: resource for resource in ordered}),
        )

    def digests(self, names: frozenset[str]) -> Mapping[str, str]:
        """What a client that asks for *names* gets: the digest of each that is there."""
        found = self._digests.get(names)
        if found is None:
            by_name = self.by_name
            found = {name: by_name[name].digest for name in sorted(names) if name in by_name}
            self._digests[names] = found
        return found

    def content(self, kind: Kind, names: tuple[str, ...]) -> bytes:
        """A serialised response with these resources, complete but for its nonce."""
        found = self._contents.get(names)
        if found is None:
            response = DiscoveryResponse(
                version_info=self.version,
                resources=[self.by_name[name].packed for name in names],
                type_url=kind.type_url,
            )
            found = self._contents[names] = response.SerializeToString()
        return found


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All types. Made by `build` or `assemble`, which check it."""

    kinds: Mapping[Kind, Resources]

    def __getitem__(self, kind: Kind) -> Resources:
        return self.kinds[kind]

    @property
    def versions(self) -> Mapping[str, str]:
        """The version of each type, by the type's label."""
        return {kind.label: resources.version for kind, resources in self.kinds.items()}


def build(messages: Mapping[Kind, Mapping[str, Message]]) -> Snapshot:
    """The snapshot of *messages*; InconsistentError."""
    return assemble(
        {
            kind: [_resource(name, message) for name, message in messages.get(kind, {}).items()]
            for kind in Kind
        }
    )


def assemble(resources: Mapping[Kind, Iterable[Resource]]) -> Snapshot:
    """The snapshot of *resources*; InconsistentError when one refers to what is not there."""
    snapshot = Snapshot(
        MappingProxyType({kind: Resources.of(resources.get(kind, ())) for kind in Kind})
    )
    _check(snapshot)
    return snapshot


def _check(snapshot: Snapshot) -> None:
    for kind, resources in snapshot.kinds.items():
        for resource in resources.by_name.values():
            for needed_kind, needed in sorted(resource.needs, key=lambda need: need[1]):
                if needed not in snapshot[needed_kind].by_name:
                    raise InconsistentError(
                        f"{kind.label} {resource.name} refers to {needed_kind.label} {needed}, "
                        "which is not there"
                    )


def _resource(name: str, message: Message) -> Resource:
    packed = Packed()
    packed.Pack(message, deterministic=True)
    return Resource(
        name=name,
        packed=packed,
        digest=_digest(packed.value),
        needs=frozenset(_needs(message)),
    )


def _needs(message: Message) -> Iterator[tuple[Kind, str]]:
    if isinstance(message, Listener):
        manager = HttpConnectionManager()
        message.api_listener.api_listener.Unpack(manager)
        if manager.HasField("rds"):
            yield Kind.ROUTES, manager.rds.route_config_name
    elif isinstance(message, RouteConfiguration):
        for host in message.virtual_hosts:
            for route in host.routes:
                yield from ((Kind.CLUSTER, name) for name in _clusters(route.route))
    elif isinstance(message, Cluster) and message.type == Cluster.EDS:
        yield Kind.LOAD_ASSIGNMENT, message.eds_cluster_config.service_name or message.name
    elif isinstance(message, Cluster) and message.HasField("cluster_type"):
        aggregate = ClusterConfig()
        message.cluster_type.typed_config.Unpack(aggregate)
        yield from ((Kind.CLUSTER, name) for name in aggregate.clusters)


def _clusters(action: RouteAction) -> Iterator[str]:
    if action.cluster:
        yield action.cluster
    yield from (weighted.name for weighted in action.weighted_clusters.clusters)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_VERSION_LENGTH]
