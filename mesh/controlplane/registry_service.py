"""Serves plexus.mesh.v1.RegistryService: the registration stream, and the mesh at one glance."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from mesh import meaning
from mesh.controlplane.access import peer_workload
from mesh.controlplane.anchoring import Anchoring
from mesh.controlplane.publisher import Publisher
from mesh.controlplane.registry import Registry, Stream
from mesh.controlplane.resources import Kind
from mesh.topology import Topology
from plexus.errors import Fault
from plexus.mesh.v1.errors_pb2 import MeshError
from plexus.mesh.v1.registry_service_pb2 import (
    GetMeshStatusRequest,
    GetMeshStatusResponse,
    RegisterRequest,
    RegisterResponse,
)
from plexus.mesh.v1.registry_service_pb2_grpc import RegistryServiceServicer
from plexus.mesh.v1.replica_pb2 import REPLICA_STATE_DRAINING, Replica


class RegistryService(RegistryServiceServicer):
    """Turns streams into leases."""

    def __init__(
        self, registry: Registry, publisher: Publisher, topology: Topology, anchoring: Anchoring
    ) -> None:
        self._registry = registry
        self._publisher = publisher
        self._topology = topology
        self._anchoring = anchoring

    async def Register(
        self, request_iterator: AsyncIterator[RegisterRequest], context: Any
    ) -> AsyncIterator[RegisterResponse]:
        """Hold one replica's lease for as long as its stream lasts."""
        workload = peer_workload(context, self._topology.trust_domain)
        stream = Stream()
        replica = Replica()
        farewell = False
        try:
            async for request in request_iterator:
                self._check(request.replica, workload, replica.name)
                begins_to_drain = _begins_to_drain(replica, request.replica)
                replica = request.replica
                self._registry.hear(stream, replica)
                if begins_to_drain:
                    # The answer tells the replica that nobody sends it new work.
                    await self._publisher.settle(Kind.LOAD_ASSIGNMENT, meaning.DRAIN_SETTLE)
                if replica.HasField("journal"):
                    await self._anchoring.hear(replica)
                version = self._publisher.served[Kind.LOAD_ASSIGNMENT].version
                anchored = self._anchoring.version
                yield RegisterResponse(endpoints_version=version, anchors_version=anchored)
            farewell = replica.state == REPLICA_STATE_DRAINING
        finally:
            self._registry.lose(stream, replica, farewell=farewell)

    async def GetMeshStatus(
        self, request: GetMeshStatusRequest, context: Any
    ) -> GetMeshStatusResponse:
        """Everything the control plane knows."""
        del request, context
        return GetMeshStatusResponse(
            replicas=self._registry.status(),
            versions=self._publisher.versions(),
            nacks=self._publisher.nacks,
        )

    def _check(self, replica: Replica, workload: str, name: str) -> None:
        """A replica speaks for its own service, and a stream for one replica."""
        known = replica.service in self._topology.services
        if not known or replica.service != workload or name not in ("", replica.name):
            raise Fault(MeshError, MeshError.MESH_ERROR_SERVICE_UNKNOWN, service=replica.service)


def _begins_to_drain(before: Replica, now: Replica) -> bool:
    return now.state == REPLICA_STATE_DRAINING != before.state
