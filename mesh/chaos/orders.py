"""Orders from a chaos run to the processes it disturbs: files in PLEXUS_HOME/chaos.

A file holds orders by id, so that several faults may be in force at once and each takes back its
own. Processes heed them only when PLEXUS_CHAOS=1. PLEXUS_HOME is its owner's alone, so who can write
here could as well kill the processes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from mesh.identity.files import alone_in, make_private_folder, write_whole

# How often, at most, a process looks whether its orders have changed, in seconds.
LOOK_EVERY: Final = 0.05

Order = Mapping[str, Any]
_NONE: Mapping[str, Order] = MappingProxyType({})

HANDLERS: Final = "handlers.json"
CLOCK: Final = "clock.json"
ADVERTISE: Final = "advertise.json"
CONTROL_PLANE: Final = "control-plane.json"


def place(home: Path, name: str) -> Path:
    """Where the orders called *name* are."""
    return home / "chaos" / name


class Orders:
    """The orders in one file, as they are now to within `LOOK_EVERY`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._look_at = 0.0
        self._seen: tuple[int, int] = (0, 0)
        self._orders = _NONE

    def current(self) -> Mapping[str, Order]:
        """The orders in force, by id. The same object for as long as they are the same."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY
            self._look()
        return self._orders

    def _look(self) -> None:
        try:
            found = self._path.stat()
        except OSError:
            self._seen, self._orders = (0, 0), _NONE
            return
        seen = (found.st_mtime_ns, found.st_ino)
        if seen != self._seen:
            self._orders = _read(self._path) or _NONE
            self._seen = seen


def give(path: Path, order_id: str, order: Order) -> None:
    """Put an order in force, in place of an earlier one of that id."""
    make_private_folder(path.parent)
    with alone_in(path.parent):
        _write(path, {**_read(path), order_id: dict(order)})


def withdraw(path: Path, order_id: str) -> bool:
    """Take an order back; whether it was in force."""
    if not path.exists():
        return False
    with alone_in(path.parent):
        kept = _read(path)
        found = kept.pop(order_id, None) is not None
        if found:
            _write(path, kept)
    return found


def await_seen() -> None:
    """Wait until every process that looks has seen what changed."""
    time.sleep(2 * LOOK_EVERY)


def concerns(order: Order, service: str, replica: str) -> bool:
    """Whether the order's `target`, a service, a replica or `*`, takes in this replica."""
    return order.get("target", "*") in ("*", service, replica)


def _read(path: Path) -> dict[str, Order]:
    try:
        stated = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return stated if isinstance(stated, dict) else {}


def _write(path: Path, orders: Mapping[str, Order]) -> None:
    if orders:
        write_whole(path, json.dumps(orders, indent=1).encode())
    else:
        path.unlink(missing_ok=True)
