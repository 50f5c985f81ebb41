"""What can happen on the way to a replica: connections cut, answers or requests lost, all slow."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from random import Random

from mesh.chaos.faults.refusal import NotInjectable
from mesh.chaos.model import FaultSpec, Kind
from mesh.chaos.orders import ADVERTISE, give, place, withdraw
from mesh.chaos.proxy import HOST, Address, Direction, Proxy
from mesh.runtime.client import Platform
from mesh.runtime.errors import Mistake

_PATIENCE = 5.0
_POLL = 0.05
# How long connections may go on through a proxy that is not needed any more, in seconds.
_GRACE = 2.0
# Clients move to a new address as soon as they hear of it; those that are idle connect later.
_MOVING = 1.0
_DELAY_MS = 200

Break = Callable[[Proxy], None]


class Network:
    """Proxies in front of replicas, which say that their address is the proxy's."""

    def __init__(self, platform: Platform, target: str, damage: Break) -> None:
        self._platform = platform
        self._target = target
        self._damage = damage
        self._path = place(platform.home.path, ADVERTISE)
        self._id = uuid.uuid4().hex
        self._proxies: dict[str, Proxy] = {}

    def inject(self) -> None:
        """Lead every client through the proxies, then break them."""
        for replica in self._replicas():
            proxy = Proxy(lambda name=replica: self._listens(name))  # type: ignore[misc]
            self._proxies[replica] = proxy
            host, port = proxy.start()
            order = {"target": replica, "host": host, "port": port}
            give(self._path, f"{self._id}/{replica}", order)
        if not self._await(self._is_moved):
            raise NotInjectable(f"clients did not move to the proxies of {self._target}")
        self._await(lambda: all(p.connections() for p in self._proxies.values()), _MOVING)
        for proxy in self._proxies.values():
            self._damage(proxy)

    def lift(self) -> None:
        """Mend them, lead the clients back, and take them away."""
        proxies, self._proxies = self._proxies, {}
        with ExitStack() as end:
            for replica, proxy in proxies.items():
                end.callback(proxy.close, _GRACE)
                proxy.heal()
                withdraw(self._path, f"{self._id}/{replica}")
            if proxies:
                self._await(lambda: self._is_back(proxies))

    def _replicas(self) -> list[str]:
        found = [
            process.name
            for process in self._platform.processes()
            if process.service and self._target in (process.name, process.service)
        ]
        if not found:
            raise NotInjectable(f"{self._target} is no replica and no service")
        return found

    def _listens(self, replica: str) -> Address | None:
        """Where the replica is, also after it was started again."""
        with suppress(OSError, ValueError):
            return HOST, int((self._platform.home.path / "ports" / replica).read_bytes())
        return None

    def _is_moved(self) -> bool:
        return self._is_settled({name: p.address[1] for name, p in self._proxies.items()})

    def _is_back(self, proxies: Mapping[str, Proxy]) -> bool:
        found = {name: self._listens(name) for name in proxies}
        return self._is_settled({name: where[1] for name, where in found.items() if where})

    def _is_settled(self, ports: Mapping[str, int]) -> bool:
        """Whether every client knows the replicas by these ports."""
        with suppress(Mistake):
            status = self._platform.status()
            known = {replica.name: replica.port for replica in status.replicas}
            return all(known.get(name) == port for name, port in ports.items()) and all(
                version.acknowledged == version.subscribers for version in status.versions
            )
        return False

    def _await(self, holds: Callable[[], bool], patience: float = _PATIENCE) -> bool:
        deadline = time.monotonic() + patience
        while not holds():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL)
        return True


def reset(spec: FaultSpec, platform: Platform, _: Random) -> Network:
    """Every connection to the target is reset, and each new one at once."""
    return Network(platform, spec.target, Proxy.reset)


def blackhole(spec: FaultSpec, platform: Platform, _: Random) -> Network:
    """Nothing comes through one way, no connection breaks: `direction` is to_client or to_replica."""
    stated = spec.parameters.get("direction", Direction.TO_CLIENT.value)
    direction = Direction(stated)
    return Network(platform, spec.target, lambda proxy: proxy.silence(direction))


def delay(spec: FaultSpec, platform: Platform, _: Random) -> Network:
    """Every byte takes `delay_ms` longer, each way."""
    seconds = float(spec.parameters.get("delay_ms", _DELAY_MS)) / 1000
    return Network(platform, spec.target, lambda proxy: proxy.delay(seconds))


MAKERS: Mapping[Kind, Callable[[FaultSpec, Platform, Random], Network]] = {
    Kind.RESET: reset,
    Kind.BLACKHOLE: blackhole,
    Kind.DELAY: delay,
}
