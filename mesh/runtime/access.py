"""How a person's process gets into the mesh: as the operator, or as the edge with a token."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from mesh import meaning
from mesh.identity.join import mint, secret_at
from mesh.identity.workload import Held, IdentityError, WorkloadIdentity
from mesh.runtime.errors import ControlPlaneDown, Mistake, NotRunning
from mesh.runtime.home import Home
from mesh.runtime.ledger import Ledger, read
from mesh.runtime.plan import JOIN_TOKEN_LIFETIME
from mesh.settings import Settings
from mesh.topology import EDGE, OPERATOR
from plexus.client import Channel, Tuning, channel
from plexus.errors import PlexusError
from plexus.mesh.v1.identity_service_pb2 import IssueTokenRequest
from plexus.mesh.v1.identity_service_pb2_grpc import IdentityServiceStub

_BOOTSTRAP = "GRPC_XDS_BOOTSTRAP_CONFIG"
_TOKEN_LIFETIME = 3600

_bootstrap: str | None = None


class Access:
    """Identities, channels and the token of one process, made when they are first needed."""

    def __init__(self, home: Home, subject: str, tuning: Tuning) -> None:
        self._home = home
        self._subject = subject
        self._tuning = tuning
        self._identities: dict[str, WorkloadIdentity] = {}
        self._mesh: dict[str, Channel] = {}
        self._operator: tuple[Held, Channel] | None = None
        self._token = ("", 0.0)
        self._lock = threading.RLock()

    def operator(self, timeout: float = 5.0) -> Channel:
        """A channel to the control plane as the operator; ControlPlaneDown."""
        with self._lock:
            held = self._identity(OPERATOR, timeout).held
            if self._operator is None or self._operator[0] is not held:
                credentials = self._identities[OPERATOR].channel_credentials()
                opened = channel(self._ledger().control_plane, credentials, tuning=self._tuning)
                self._operator = (held, opened)
            return self._operator[1]

    def mesh(self, workload: str, timeout: float = 5.0) -> Channel:
        """A channel to a service through the mesh, as the edge, with a token for every scope."""
        with self._lock:
            if workload not in self._mesh:
                _adopt(self._identity(EDGE, timeout).bootstrap())
                self._mesh[workload] = channel(
                    f"xds:///{workload}",
                    grpc.xds_channel_credentials(),
                    token=self.token,
                    tuning=self._tuning,
                )
            return self._mesh[workload]

    def token(self) -> str:
        """A token that is good for at least half of its hour; ControlPlaneDown."""
        with self._lock:
            token, renew_at = self._token
            if time.time() < renew_at:
                return token
            request = IssueTokenRequest(subject=self._subject, lifetime_seconds=_TOKEN_LIFETIME)
            with control_plane_answers():
                answer = IdentityServiceStub(self.operator()).IssueToken(request)
            self._token = (answer.token, time.time() + _TOKEN_LIFETIME / 2)
            return self._token[0]

    def close(self) -> None:
        """Close every channel and stop renewing."""
        with self._lock:
            opened = [*self._mesh.values(), *([self._operator[1]] if self._operator else [])]
            for each in opened:
                each.close()
            for identity in self._identities.values():
                identity.close()
            self._mesh.clear()
            self._identities.clear()
            self._operator = None
            self._token = ("", 0.0)

    def _identity(self, workload: str, timeout: float) -> WorkloadIdentity:
        if workload not in self._identities:
            identity = WorkloadIdentity(self._settings(workload))
            try:
                identity.start(timeout)
            except IdentityError as error:
                raise control_plane_down(str(error)) from None
            self._identities[workload] = identity
        return self._identities[workload]

    def _settings(self, workload: str) -> Settings:
        ledger = self._ledger()
        secret = secret_at(self._home.path / "join.secret")
        return Settings.read(
            {
                "PLEXUS_HOME": str(self._home.path),
                "PLEXUS_REPLICA": workload,
                "PLEXUS_JOIN_TOKEN": mint(secret, workload, workload, JOIN_TOKEN_LIFETIME),
                "PLEXUS_CONTROL_PLANE": ledger.control_plane,
                "PLEXUS_IDENTITY": ledger.identity,
                "PLEXUS_TRUST_BUNDLE": str(self._home.trust_bundle),
            }
        )

    def _ledger(self) -> Ledger:
        ledger = read(self._home)
        if ledger is None:
            raise not_running(self._home)
        return ledger


def edge_tuning(sampling: float | None) -> Tuning:
    """The client stack's numbers for calls that come in from outside."""
    return Tuning(
        attempts=meaning.ATTEMPTS,
        breaker_failures=meaning.BREAKER_FAILURES,
        breaker_seconds=meaning.BREAKER_RESET,
        sampling=sampling,
        slow_share=meaning.SLOW_SHARE,
    )


def not_running(home: Home) -> NotRunning:
    """Nothing runs in *home*."""
    return NotRunning(
        f"no platform runs in {home.path}", "start it with `plexus up`, or set PLEXUS_HOME"
    )


def control_plane_down(why: str) -> ControlPlaneDown:
    """The control plane does not answer."""
    return ControlPlaneDown(
        f"the control plane does not answer: {why}",
        "`plexus status` shows whether it is being restarted, `plexus logs control-plane` why",
    )


@contextmanager
def control_plane_answers() -> Iterator[None]:
    """Turn what a call to the control plane raises into ControlPlaneDown."""
    try:
        yield
    except PlexusError as error:
        raise control_plane_down(error.reason) from None


def _adopt(bootstrap: str) -> None:
    """Make *bootstrap* this process's own. gRPC reads it once, so there is no second."""
    global _bootstrap
    if _bootstrap is None:
        os.environ[_BOOTSTRAP] = _bootstrap = bootstrap
    elif _bootstrap != bootstrap:
        raise Mistake(
            "this process has already been in another mesh, and can be in one only",
            "do this in a process of its own",
        )
