"""A whole control plane in the test's own process, so that a test can publish what it likes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from google.protobuf.message import Message

from mesh import topology
from mesh.controlplane.publisher import Publisher
from mesh.controlplane.resources import Kind, derive
from mesh.controlplane.server import ControlPlane
from mesh.controlplane.snapshot import build
from mesh.topology import Topology
from plexus import contract
from plexus.contract import Contract
from tests.mesh.small_mesh import SmallMesh

T = TypeVar("T")
Messages = dict[Kind, dict[str, Message]]


class Hosted:
    """A running control plane; everything that touches it happens in its event loop."""

    def __init__(self, mesh: SmallMesh) -> None:
        self.topology: Topology = topology.load(mesh.settings.topology)
        self._loop = asyncio.new_event_loop()
        self._control_plane = ControlPlane(mesh.settings, self.topology, contract.load())

    def derived(self, stated: Contract | None = None) -> Messages:
        """What would be served for *stated*, by default the contracts, and the replicas there are."""

        def look() -> Messages:
            endpoints = self._control_plane.registry.endpoints
            found = derive(stated or contract.load(), self.topology, endpoints)
            return {kind: dict(messages) for kind, messages in found.items()}

        return self.inside(look)

    def publish(self, messages: Messages) -> None:
        """Serve *messages*."""
        self.inside(lambda: self._control_plane.publisher.publish(build(messages)))

    def publisher(self, look: Callable[[Publisher], T]) -> T:
        """What *look* finds in the publisher."""
        return self.inside(lambda: look(self._control_plane.publisher))

    def inside(self, work: Callable[[], T]) -> T:
        """Do *work* in the event loop."""

        async def step() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(step(), self._loop).result(10)

    @contextmanager
    def running(self) -> Iterator[Hosted]:
        """Run it for as long as the context lasts."""
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        self._wait(self._control_plane.start())
        try:
            yield self
        finally:
            self._wait(self._control_plane.stop())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(10)
            self._loop.close()

    def _wait(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)  # type: ignore[arg-type]
