"""Takes processes away and brings them back, and measures what a caller notices."""

from __future__ import annotations

import signal
import time
from collections.abc import Collection, Sequence

from demo.audit import count_claims
from demo.observations import Observations
from mesh.runtime.client import Platform
from mesh.runtime.errors import Mistake
from plexus.billing.v1 import billing_service_pb2 as billing
from plexus.billing.v1.billing_service_pb2_grpc import BillingServiceStub
from plexus.errors import DependencyUnavailable, PlexusError
from plexus.mesh.v1 import replica_pb2

_PAUSE = 0.005
_POLL = 0.05
_LONGEST_RESTORE = 60.0


def kill(platform: Platform, target: str, *, hold_down: bool) -> dict[str, int]:
    """SIGKILL to a process, or to every replica of a service; their names and process ids."""
    names = {process.name: process.pid for process in platform.processes()}
    found = platform.signal(target, signal.SIGKILL, hold_down=hold_down)
    return {process.name: names[process.name] for process in found}


def await_successor(platform: Platform, name: str, pid: int, patience: float) -> float | None:
    """The seconds until a process of that name but another id is ready; None when it takes longer."""
    began = time.monotonic()
    while time.monotonic() - began < patience:
        if any(
            replica.name == name
            and replica.pid != pid
            and replica.state == replica_pb2.REPLICA_STATE_READY
            for replica in _replicas(platform)
        ):
            return time.monotonic() - began
        time.sleep(_POLL)
    return None


def _replicas(platform: Platform) -> Sequence[replica_pb2.Replica]:
    try:
        return platform.status().replicas
    except Mistake:
        return ()


def measure_breaker(office: BillingServiceStub, calls: int, patience: float) -> list[float]:
    """Call dead billing until its breaker has answered *calls* times; each answer in milliseconds.

    Calls that the breaker let through, until it opened and as its probes, are not counted.
    """
    answers: list[float] = []
    request = billing.ListClaimsRequest(page_size=1)
    deadline = time.monotonic() + patience
    while len(answers) < calls and time.monotonic() < deadline:
        began = time.perf_counter()
        try:
            office.ListClaims(request)
        except DependencyUnavailable:
            answers.append((time.perf_counter() - began) * 1000)
        except PlexusError:
            pass
        time.sleep(_PAUSE)
    return answers


def restore(platform: Platform, office: BillingServiceStub, replicas: int) -> float:
    """Start billing again; the seconds until a caller outside has an answer from it."""
    began = time.monotonic()
    platform.scale("billing", replicas)
    request = billing.ListClaimsRequest(page_size=1)
    while True:
        try:
            office.ListClaims(request)
            return time.monotonic() - began
        except PlexusError:
            if time.monotonic() - began > _LONGEST_RESTORE:
                raise
        time.sleep(_POLL)


def await_claims(
    office: BillingServiceStub,
    appointments: Collection[str],
    observations: Observations,
    patience: float,
) -> float | None:
    """The seconds until all *appointments* have a claim; None when that takes longer."""
    began = time.monotonic()
    wanted = frozenset(appointments)
    while True:
        claimed = frozenset(count_claims(office))
        observations.claimed(claimed & wanted)
        if wanted <= claimed:
            return time.monotonic() - began
        if time.monotonic() - began > patience:
            return None
        time.sleep(4 * _POLL)
