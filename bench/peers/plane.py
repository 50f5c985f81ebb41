"""The platform's control plane, with leases of replicas that do not exist, and changed when told to.

    python -m bench.peers.plane

Everything but the leases is `mesh.controlplane`'s own: both ports, mutual TLS, who may subscribe, the
derivation, the snapshot, the file that is written before anything is published. Told `endpoints`, it
has as many, evenly over all services; told `changes`, it lets one replica of records begin to drain, or
take work again, so often, and answers how many seconds each change took until every client had
accepted it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from bench import load
from mesh import topology
from mesh.controlplane.registry import Lease, Stream
from mesh.controlplane.resources import Kind
from mesh.controlplane.server import ControlPlane
from mesh.settings import Settings
from observability import logs
from plexus import contract
from plexus.mesh.v1.replica_pb2 import REPLICA_STATE_DRAINING, REPLICA_STATE_READY, Replica

_PATIENCE: Final = 60.0
_PAUSE: Final = 0.05


class Plane:
    """The control plane on an event loop of its own thread."""

    def __init__(self, settings: Settings) -> None:
        self._services = sorted(topology.load(settings.topology).services)
        self._plane = ControlPlane(settings, topology.load(settings.topology), contract.load())
        self._inside: Any = self._plane
        self._loop = asyncio.new_event_loop()
        self._stream = Stream()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._wait(self._plane.start())

    def obey(self, command: Mapping[str, Any]) -> object:
        """See the module."""
        if "endpoints" in command:
            return self._wait(self._populate(command["endpoints"]))
        return self._wait(self._change(command["changes"]))

    async def _populate(self, number: int) -> None:
        leases: dict[tuple[str, str], Lease] = {}
        for each in range(number):
            replica = self._replica(each)
            # Never suspect: nobody is there to be asked.
            lease = Lease(replica, self._stream, float("inf"))
            leases[replica.service, replica.name] = lease
        self._inside.registry._leases = leases
        self._inside._publish()
        await self._plane.publisher.settle(Kind.LOAD_ASSIGNMENT, _PATIENCE)

    async def _change(self, times: int) -> list[float]:
        taken = []
        replica = self._replica(self._services.index("records"))
        for turn in range(times):
            state = REPLICA_STATE_READY if turn % 2 else REPLICA_STATE_DRAINING
            changed = Replica()
            changed.CopyFrom(replica)
            changed.state = state
            began = time.monotonic()
            self._plane.registry.hear(self._stream, changed)
            if not await self._plane.publisher.settle(Kind.LOAD_ASSIGNMENT, _PATIENCE):
                raise TimeoutError("not everybody accepted the change")
            taken.append(time.monotonic() - began)
            await asyncio.sleep(_PAUSE)
        return taken

    def _replica(self, number: int) -> Replica:
        service = self._services[number % len(self._services)]
        return Replica(
            name=f"{service}-{number}",
            service=service,
            host=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
            port=50_051,
            state=REPLICA_STATE_READY,
            version="bench",
        )

    def _wait(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def main() -> None:
    """Start, then obey."""
    logs.configure(topology.CONTROL_PLANE)
    load.obey(Plane(Settings.read()).obey)


if __name__ == "__main__":
    main()
