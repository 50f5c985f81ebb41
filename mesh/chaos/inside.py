"""What a replica does on the orders of a chaos run. Only with PLEXUS_CHAOS=1 is this in a process."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Final

from mesh import clock
from mesh.chaos.orders import ADVERTISE, CLOCK, HANDLERS, Order, Orders, concerns, place
from plexus.errors import Fault
from plexus.type.v1.errors_pb2 import PlatformError

# The documented reason that stands for a gRPC status: how a real handler would have ended.
ABORTS: Final = {
    "INTERNAL": PlatformError.PLATFORM_ERROR_INTERNAL,
    "UNAVAILABLE": PlatformError.PLATFORM_ERROR_STORE_UNAVAILABLE,
    "RESOURCE_EXHAUSTED": PlatformError.PLATFORM_ERROR_OVERLOADED,
}


class Inside:
    """The orders that concern one replica of *service*.

    Handlers: `method` (`package.Service/Method` or `*`), `delay_ms`, `abort` (a key of `ABORTS`),
    `share` of the calls (0 to 1), `seed` for which ones. Clock: `offset_seconds`. Advertise: `host`
    and `port`. Each has a `target`: a service, a replica, or `*`.
    """

    def __init__(self, home: Path, service: str, replica: str) -> None:
        self._service = service
        self._replica = replica
        self._handlers = Orders(place(home, HANDLERS))
        self._clock = Orders(place(home, CLOCK))
        self._advertise = Orders(place(home, ADVERTISE))
        self._chances: dict[int, random.Random] = {}
        clock.step(self.ahead)

    def disturb(self, path: str) -> None:
        """Hold up or fail a call of the method at *path*, if it is to be."""
        for order in self._handlers.current().values():
            meant = order.get("method", "*") in ("*", path) and self._is_meant(order)
            if meant and self._draw(order) < order.get("share", 1.0):
                _carry_out(order)

    def ahead(self) -> float:
        """Seconds by which this process's clock is ahead of the machine's."""
        orders = self._clock.current()
        if not orders:
            return 0.0
        meant = (order for order in orders.values() if self._is_meant(order))
        return sum(float(order.get("offset_seconds", 0.0)) for order in meant)

    def address(self, host: str, port: int) -> tuple[str, int]:
        """What the replica says its address is, when it listens at *host* and *port*."""
        for order in self._advertise.current().values():
            if self._is_meant(order):
                return str(order["host"]), int(order["port"])
        return host, port

    def _is_meant(self, order: Order) -> bool:
        return concerns(order, self._service, self._replica)

    def _draw(self, order: Order) -> float:
        seed = int(order.get("seed", 0))
        return self._chances.setdefault(seed, random.Random(seed)).random()  # noqa: S311


def _carry_out(order: Order) -> None:
    if delay := order.get("delay_ms", 0):
        time.sleep(delay / 1000)
    if abort := order.get("abort"):
        raise Fault(PlatformError, ABORTS[abort])
