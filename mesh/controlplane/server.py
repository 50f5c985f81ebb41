"""The control plane put together: two ports, one event loop.

The mesh port asks every caller for a certificate. The identity port asks for none and serves
only those who come for their first.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial

import grpc.aio

from mesh import meaning
from mesh.audit.seal import Signer
from mesh.chaos import orders
from mesh.controlplane import resources, snapshot
from mesh.controlplane.access import Access
from mesh.controlplane.ads import DiscoveryService
from mesh.controlplane.anchoring import Anchoring
from mesh.controlplane.figures import figures
from mesh.controlplane.identity_service import IdentityService
from mesh.controlplane.own_identity import OwnIdentity
from mesh.controlplane.probe import Prober
from mesh.controlplane.publisher import Publisher
from mesh.controlplane.registry import Registry
from mesh.controlplane.registry_service import RegistryService
from mesh.controlplane.state import StateFile
from mesh.exposition import Exposition, certificate, on_loop
from mesh.identity import join
from mesh.identity.authority import Authority
from mesh.identity.serving import rotating_server_credentials
from mesh.settings import Settings
from mesh.topology import CONTROL_PLANE, Topology
from observability.metrics import CallMetrics
from plexus.contract import Audience, Contract
from plexus.mesh.v1.identity_service_pb2_grpc import add_IdentityServiceServicer_to_server
from plexus.mesh.v1.registry_service_pb2_grpc import add_RegistryServiceServicer_to_server

_log = logging.getLogger(__name__)

_LOCAL = "localhost"
_STOP_GRACE = 0.2

_OPTIONS: tuple[tuple[str, int], ...] = (
    # Two control planes on one port would each hold half of the leases.
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", round(meaning.KEEPALIVE_INTERVAL * 1000)),
    ("grpc.keepalive_timeout_ms", round(meaning.KEEPALIVE_TIMEOUT * 1000)),
    ("grpc.http2.ping_timeout_ms", round(meaning.KEEPALIVE_TIMEOUT * 1000)),
    ("grpc.keepalive_permit_without_calls", 1),
    # A stream may be quiet for hours: pings without data are all that tells.
    ("grpc.http2.max_pings_without_data", 0),
    (
        "grpc.http2.min_ping_interval_without_data_ms",
        round(meaning.KEEPALIVE_PERMITTED * 1000),
    ),
)


class ListenError(Exception):
    """A port cannot be opened; the text names it."""


class ControlPlane:
    """Everything it consists of. `start`, then `stop`."""

    def __init__(self, settings: Settings, topology: Topology, contract: Contract) -> None:
        self._settings = settings
        self._topology = topology
        self._contract = contract
        self._state = StateFile(settings.control_plane_state)
        authority = Authority.open(settings.authority, topology.trust_domain)
        lifetime = settings.certificate_lifetime or topology.certificate_lifetime
        hosts = (_host(settings.control_plane), _host(settings.identity), _LOCAL)
        self._own = OwnIdentity(authority, lifetime, hosts)
        self._trusted = authority.trust_bundle
        self._identity = IdentityService(
            authority, join.secret_at(settings.join_secret), lifetime, contract, topology
        )
        self._servers: list[grpc.aio.Server] = []
        self._exposition = Exposition(settings, CONTROL_PLANE)
        self._metrics = CallMetrics(self._exposition.registry, contract)
        self._orders = (
            orders.Orders(orders.place(settings.home, orders.CONTROL_PLANE))
            if settings.chaos
            else None
        )
        self._heeding: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Publish what was known, then open both ports."""
        known = self._state.load()
        self.registry = Registry(
            Prober(self._own.channel_credentials, self._topology.trust_domain),
            self._publish,
            (replica for replica in known.replicas if replica.service in self._topology.services),
        )
        self.publisher = Publisher(self._derive())
        self.registry.start()
        folder = self._settings.control_plane_state
        self._anchoring = Anchoring(folder, Signer(self._own.current), self._trusted)
        self._anchoring.start()
        if self._orders is not None:
            self._heeding = asyncio.create_task(self._heed(self._orders))
        await self._open_mesh_port()
        await self._open_identity_port()
        await self._expose()
        _log.info(
            "ready",
            extra={
                "control_plane": self._settings.control_plane,
                "identity": self._settings.identity,
                "endpoints": len(self.registry.endpoints),
                "unchanged": dict(known.versions) == dict(self.publisher.served.versions),
            },
        )

    async def stop(self) -> None:
        """Close both ports. The replicas stay what they are."""
        if self._heeding is not None:
            self._heeding.cancel()
        await self.registry.close()
        for server in self._servers:
            await server.stop(_STOP_GRACE)
        await self._anchoring.close()
        await asyncio.to_thread(self._exposition.close)
        _log.info("stopped")

    def _publish(self) -> None:
        published = self._derive()
        try:
            self._state.save(self.registry.replicas, published.versions)
        except OSError as error:
            # A full disk is no reason to withhold a living replica from its clients.
            _log.error("state_not_saved", extra={"cause": error.strerror})
        self.publisher.publish(published)

    def _derive(self) -> snapshot.Snapshot:
        derived = resources.derive(self._contract, self._topology, self.registry.endpoints)
        if self._orders is not None and (ordered := self._orders.current()):
            # Imported here: no control plane but that of a chaos run has anything of it.
            from mesh.controlplane.sabotage import spoil

            derived = spoil(derived, ordered.values())
        return snapshot.build(derived)

    async def _expose(self) -> None:
        known = partial(figures, self.registry, self.publisher, self._topology)
        await asyncio.to_thread(
            self._exposition.start,
            on_loop(known, asyncio.get_running_loop()),
            partial(certificate, self._own.validity),
        )

    async def _heed(self, given: orders.Orders) -> None:
        """Publish anew whenever a chaos run orders something else."""
        heeded = given.current()
        while True:
            await asyncio.sleep(orders.LOOK_EVERY)
            if given.current() is not heeded:
                heeded = given.current()
                self._publish()

    async def _open_mesh_port(self) -> None:
        open_to = frozenset({Audience.WORKLOADS, Audience.OPERATOR})
        server = self._server(open_to)
        server.add_generic_rpc_handlers((DiscoveryService(self.publisher).handler,))
        add_RegistryServiceServicer_to_server(
            RegistryService(self.registry, self.publisher, self._topology, self._anchoring), server
        )
        add_IdentityServiceServicer_to_server(self._identity, server)
        await self._open(server, self._settings.control_plane, ask_client=True)

    async def _open_identity_port(self) -> None:
        server = self._server(frozenset({Audience.JOINING}))
        add_IdentityServiceServicer_to_server(self._identity, server)
        await self._open(server, self._settings.identity, ask_client=False)

    def _server(self, open_to: frozenset[Audience]) -> grpc.aio.Server:
        access = Access(self._contract, self._topology, open_to, self._metrics)
        return grpc.aio.server(interceptors=[access], options=_OPTIONS)

    async def _open(self, server: grpc.aio.Server, address: str, *, ask_client: bool) -> None:
        credentials = rotating_server_credentials(self._own.current, ask_client=ask_client)
        try:
            server.add_secure_port(address, credentials)
        except RuntimeError:
            raise ListenError(f"cannot listen on {address}: the port is taken") from None
        await server.start()
        self._servers.append(server)


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")
