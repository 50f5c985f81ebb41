"""Many clients of the control plane in one process: what gRPC's xDS client says, and nothing else.

    python -m bench.peers.subscribers

Each has a connection of its own, with mutual TLS, and one stream on it; it subscribes to the listeners,
routes, clusters and endpoints of two services, as a service that calls two others does, and accepts
everything at once. Told `clients`, it opens as many as that makes and answers when all have everything;
told nothing, it answers what they received: `responses` and `bytes` by type, and how many streams were
`lost`.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import grpc
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse

from bench import load
from mesh import meaning
from mesh.controlplane.access import ADS
from mesh.controlplane.resources import Kind
from mesh.identity.workload import WorkloadIdentity
from mesh.settings import Settings

SERVICES: Final = ("records", "scheduling")
_PATIENCE: Final = 120.0


class Crowd:
    """The clients, on an event loop of their own thread."""

    def __init__(self, settings: Settings, identity: WorkloadIdentity) -> None:
        self._settings = settings
        self._credentials = identity.channel_credentials()
        self._loop = asyncio.new_event_loop()
        self._clients: list[asyncio.Task[None]] = []
        self._complete = 0
        self._lost = 0
        self.responses: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def obey(self, command: Mapping[str, Any]) -> object:
        """See the module."""
        if "clients" in command:
            grown = asyncio.run_coroutine_threadsafe(self._grow(command["clients"]), self._loop)
            grown.result(_PATIENCE)
            return {}
        told = {
            "responses": dict(self.responses),
            "bytes": dict(self.bytes),
            "lost": self._lost,
        }
        self.responses.clear()
        self.bytes.clear()
        self._lost = 0
        return told

    async def _grow(self, number: int) -> None:
        for each in range(len(self._clients), number):
            self._clients.append(asyncio.create_task(self._live(f"bench-{each}")))
            # A few handshakes at a time: a mesh does not start within a millisecond either.
            while len(self._clients) - self._complete > 50:
                await self._look()
        while self._complete < number:
            await self._look()

    async def _look(self) -> None:
        await asyncio.sleep(0.01)
        for client in self._clients:
            if client.done():
                client.result()

    async def _live(self, node: str) -> None:
        """One client, for as long as the process lives: who loses its stream comes back."""
        seen: set[str] = set()
        while True:
            try:
                await self._listen(node, seen)
            except grpc.aio.AioRpcError as error:
                # A thousand clients share a processor here: one may be late to answer a ping.
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
            self._lost += 1
            await asyncio.sleep(meaning.RECONNECT_FIRST)

    async def _listen(self, node: str, seen: set[str]) -> None:
        options = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_receive_message_length", -1),
        ]
        address = self._settings.control_plane
        async with grpc.aio.secure_channel(address, self._credentials, options) as channel:
            open_stream: Any = channel.stream_stream(
                ADS, request_serializer=DiscoveryRequest.SerializeToString
            )
            stream = open_stream()
            first = DiscoveryRequest(resource_names=SERVICES)
            first.node.id = node
            for kind in Kind:
                first.type_url = kind.type_url
                await stream.write(first)
            while (raw := await stream.read()) is not grpc.aio.EOF:
                response = DiscoveryResponse.FromString(raw)
                kind_name = response.type_url.rpartition(".")[2]
                self.responses[kind_name] += 1
                self.bytes[kind_name] += len(raw)
                await stream.write(
                    DiscoveryRequest(
                        type_url=response.type_url,
                        resource_names=SERVICES,
                        version_info=response.version_info,
                        response_nonce=response.nonce,
                    )
                )
                if kind_name not in seen:
                    seen.add(kind_name)
                    self._complete += len(seen) == len(Kind)


def main() -> None:
    """Join, then obey."""
    settings = Settings.read()
    identity = WorkloadIdentity(settings)
    identity.start()
    load.obey(Crowd(settings, identity).obey)


if __name__ == "__main__":
    main()
