"""Slow and failing handlers, when a chaos run asks for them. Without PLEXUS_CHAOS=1 nothing is here."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any, Final

from mesh.chaos.orders import HANDLERS, Order, Orders, concerns, place
from mesh.server.incoming import Disturb, Handle, Incoming, Parts
from plexus.contract import Method
from plexus.errors import Fault
from plexus.type.v1.errors_pb2 import PlatformError

# The documented reason that stands for a gRPC status: how a real handler would have ended.
ABORTS: Final = {
    "INTERNAL": PlatformError.PLATFORM_ERROR_INTERNAL,
    "UNAVAILABLE": PlatformError.PLATFORM_ERROR_STORE_UNAVAILABLE,
    "RESOURCE_EXHAUSTED": PlatformError.PLATFORM_ERROR_OVERLOADED,
}


def disturb(method: Method, parts: Parts, proceed: Handle) -> Handle:
    """Let a chaos run hold the call up, or fail it, where the handler would have done so."""
    strike = parts.disturb
    if strike is None:
        return proceed
    path = method.path

    def handle(incoming: Incoming) -> Any:
        strike(path)
        return proceed(incoming)

    return handle


def disturber(home: Path, service: str, replica: str) -> Disturb:
    """Carries out the orders in *home* that concern this replica.

    An order: `target` (service, replica, `*`), `method` (`package.Service/Method`, `*`), `delay_ms`,
    `abort` (a key of `ABORTS`), `share` of the calls (0 to 1), `seed` for which ones.
    """
    orders = Orders(place(home, HANDLERS))
    chances: dict[int, random.Random] = {}

    def strike(path: str) -> None:
        for order in orders.current().values():
            if order.get("method", "*") not in ("*", path) or not concerns(order, service, replica):
                continue
            if _chance(order, chances).random() < order.get("share", 1.0):
                _carry_out(order)

    return strike


def _chance(order: Order, chances: dict[int, random.Random]) -> random.Random:
    seed = int(order.get("seed", 0))
    return chances.setdefault(seed, random.Random(seed))  # noqa: S311


def _carry_out(order: Order) -> None:
    if delay := order.get("delay_ms", 0):
        time.sleep(delay / 1000)
    if abort := order.get("abort"):
        raise Fault(PlatformError, ABORTS[abort])
