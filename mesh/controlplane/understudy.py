"""Serves a process that starts while the control plane is dead what was published last, from disk.

gRPC asks it only as long as the control plane cannot be reached, and goes back by itself (gRFC A71).
It is a part of the process that needs it, and listens on a socket that only its user may open.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from envoy.service.discovery.v3.ads_pb2_grpc import (
    AggregatedDiscoveryServiceServicer,
    add_AggregatedDiscoveryServiceServicer_to_server,
)
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse

from mesh import topology
from mesh.controlplane import resources, snapshot
from mesh.controlplane.registry import Lease
from mesh.controlplane.resources import Kind
from mesh.controlplane.state import StateFile
from mesh.settings import Settings
from plexus import contract

_log = logging.getLogger(__name__)

# One stream is in use; another may not have ended yet when gRPC opens it.
_STREAMS = 4
# sockaddr_un holds 104 bytes on macOS and BSD, with the closing zero.
_LONGEST_PATH = 103

_KINDS = {kind.type_url: kind for kind in Kind}
# A server lives for as long as somebody holds it.
_serving: list[grpc.Server] = []


def serve(settings: Settings) -> str | None:
    """Serve for the rest of this process's life; the target, or None when nothing was left on disk."""
    known = StateFile(settings.control_plane_state).load().replicas
    published = [Lease(replica, None, 0.0).published for replica in known]
    endpoints = [endpoint for endpoint in published if endpoint is not None]
    if not endpoints:
        return None
    derived = resources.derive(contract.load(), topology.load(settings.topology), endpoints)
    server = grpc.server(ThreadPoolExecutor(_STREAMS, thread_name_prefix="understudy"))
    discovery = LastPublished(snapshot.build(derived))
    add_AggregatedDiscoveryServiceServicer_to_server(discovery, server)
    target = f"unix:{_socket(settings)}"
    server.add_insecure_port(target)
    server.start()
    _serving.append(server)
    _log.warning("control_plane_away", extra={"endpoints": len(endpoints)})
    return target


class LastPublished(AggregatedDiscoveryServiceServicer):  # type: ignore[misc]
    """The state of the world, which does not change."""

    def __init__(self, published: snapshot.Snapshot) -> None:
        self._published = published

    def StreamAggregatedResources(
        self, request_iterator: Iterator[DiscoveryRequest], context: grpc.ServicerContext
    ) -> Iterator[DiscoveryResponse]:
        """Answer each subscription once."""
        del context
        sent: dict[Kind, frozenset[str]] = {}
        for number, request in enumerate(request_iterator):
            kind = _KINDS.get(request.type_url)
            wanted = frozenset(request.resource_names)
            if kind is None or sent.get(kind) == wanted:
                continue
            sent[kind] = wanted
            found = self._published[kind].by_name
            yield DiscoveryResponse(
                version_info=self._published[kind].version,
                resources=[found[name].packed for name in sorted(wanted & found.keys())],
                type_url=request.type_url,
                nonce=str(number),
            )


def _socket(settings: Settings) -> Path:
    path = settings.certificates / "ads.sock"
    if len(str(path)) > _LONGEST_PATH:
        return Path(tempfile.mkdtemp(prefix="plexus-")) / path.name
    path.unlink(missing_ok=True)
    return path
