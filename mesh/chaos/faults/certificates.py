"""A workload whose certificate has expired, because nobody was there to renew it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random

from mesh import topology
from mesh.chaos.faults.refusal import NotInjectable
from mesh.chaos.model import FaultSpec, Kind
from mesh.identity.authority import Authority
from mesh.identity.files import alone_in, write_whole
from mesh.identity.keys import new_key, private_pem, signing_request
from mesh.runtime import ledger
from mesh.runtime.client import Platform
from mesh.runtime.errors import Mistake
from mesh.topology import CONTROL_PLANE

_LIFETIME = 6.0
# What clients need to find a silent peer dead and let go of its connection.
_SILENCE = 2.5
_PATIENCE = 20.0
_POLL = 0.05


class Expired:
    """Replicas that live by a certificate that is over.

    The control plane is down. The replicas start anew with a certificate that is good for seconds,
    serve, and outlive it. Then they hang until clients have let go of their connections, and go on:
    every new connection to them and from them is refused by the other side.
    """

    def __init__(self, platform: Platform, target: str, lifetime: float) -> None:
        self._platform = platform
        self._target = target
        self._lifetime = lifetime
        self._injected = False

    def inject(self) -> None:
        """Do all this; returns when connections made before are gone. It takes about ten seconds."""
        replicas = self._replicas()
        authority = self._authority()
        self._injected = True
        self._platform.signal(CONTROL_PLANE, signal.SIGKILL, hold_down=True)
        expires = time.monotonic() + self._lifetime
        for name, service in replicas.items():
            _certify(authority, service, self._folder(name), self._lifetime)
            self._platform.signal(name, signal.SIGKILL)
        self._await(lambda: all(self._runs(name) for name in replicas))
        time.sleep(max(0.0, expires + 1.0 - time.monotonic()))
        for name in replicas:
            self._platform.signal(name, signal.SIGSTOP)
        try:
            time.sleep(_SILENCE)
        finally:
            for name in replicas:
                self._platform.signal(name, signal.SIGCONT)

    def lift(self) -> None:
        """Let the control plane return; the replicas get their certificates from it."""
        if self._injected:
            self._injected = False
            self._platform.scale(CONTROL_PLANE, 1)
            self._await(self._is_renewed)

    def _replicas(self) -> dict[str, str]:
        found = {
            process.name: process.service
            for process in self._platform.processes()
            if process.service and self._target in (process.name, process.service)
        }
        if not found:
            raise NotInjectable(f"{self._target} is no replica and no service")
        return found

    def _authority(self) -> Authority:
        found = ledger.read(self._platform.home)
        if found is None:
            raise NotInjectable("the platform does not run")
        trust_domain = topology.load(Path(found.topology)).trust_domain
        return Authority.open(self._platform.home.path / "authority", trust_domain)

    def _folder(self, replica: str) -> Path:
        return self._platform.home.path / "certificates" / replica

    def _runs(self, replica: str) -> bool:
        return any(p.name == replica and p.pid for p in self._platform.processes())

    def _is_renewed(self) -> bool:
        with suppress(Mistake):
            known = {r.name: r.certificate_expire_time for r in self._platform.status().replicas}
            names = self._replicas()
            return all(name in known and known[name].ToSeconds() > time.time() for name in names)
        return False

    def _await(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not holds() and time.monotonic() < deadline:
            time.sleep(_POLL)


def _certify(authority: Authority, workload: str, folder: Path, lifetime: float) -> None:
    key = new_key()
    svid = authority.sign(signing_request(key), workload, lifetime)
    with alone_in(folder):
        write_whole(folder / "key.pem", private_pem(key))
        write_whole(folder / "cert.pem", svid.certificate_pem.encode(), 0o644)


def expired(spec: FaultSpec, platform: Platform, _: Random) -> Expired:
    """The replicas of the target; `lifetime` is how many seconds they have to start in, by default 6."""
    return Expired(platform, spec.target, float(spec.parameters.get("lifetime", _LIFETIME)))


MAKERS: Mapping[Kind, Callable[[FaultSpec, Platform, Random], Expired]] = {
    Kind.CERTIFICATE_EXPIRED: expired
}
