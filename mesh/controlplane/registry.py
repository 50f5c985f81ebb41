"""The leases: which replicas there are, and whether they still are.

A replica speaks on a stream, and the stream is its lease. When the stream breaks or falls
silent the replica is asked: a closed port means gone; no answer means gone when it lasts; an
answer means that only the stream was lost, and the endpoint stays.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from mesh import meaning
from mesh.controlplane.probe import Sign
from mesh.controlplane.resources import Endpoint
from plexus.mesh.v1.replica_pb2 import (
    REPLICA_STATE_DRAINING,
    REPLICA_STATE_READY,
    REPLICA_STATE_UNCONFIRMED,
    Replica,
)

_log = logging.getLogger(__name__)

_SWEEP = 0.25

Probe = Callable[[Endpoint], Awaitable[Sign]]
Changed = Callable[[], None]


class Stream:
    """One registration stream. Only its identity counts: the last to speak holds the lease."""


@dataclass(eq=False, slots=True)
class Lease:
    """One replica as it said it is; *stream* is None when nobody holds the lease."""

    replica: Replica
    stream: Stream | None
    heard: float
    confirming: asyncio.Task[None] | None = field(default=None)

    @property
    def endpoint(self) -> Endpoint:
        """Where it is."""
        return Endpoint(
            service=self.replica.service,
            host=self.replica.host,
            port=self.replica.port,
            draining=self.replica.state == REPLICA_STATE_DRAINING,
        )

    @property
    def published(self) -> Endpoint | None:
        """What clients are told of it; None before it takes work."""
        takes_work = self.replica.state in (REPLICA_STATE_READY, REPLICA_STATE_DRAINING)
        return self.endpoint if takes_work else None

    @property
    def is_suspect(self) -> bool:
        """Whether it has to be asked if it is alive."""
        return self.stream is None or time.monotonic() - self.heard > meaning.LEASE_SILENCE


class Registry:
    """All leases. *changed* is called when the endpoints are other than before."""

    def __init__(self, probe: Probe, changed: Changed, known: Iterable[Replica] = ()) -> None:
        self._probe = probe
        self._changed = changed
        now = time.monotonic()
        # By service too: a replica of one service cannot take another's lease by its name.
        self._leases = {_key(replica): Lease(replica, None, now) for replica in known}
        self._sweeping: asyncio.Task[None] | None = None

    @property
    def endpoints(self) -> list[Endpoint]:
        """What to publish."""
        return sorted(filter(None, (lease.published for lease in self._leases.values())))

    @property
    def replicas(self) -> list[Replica]:
        """Every replica as it last said it is, by service and name."""
        return [lease.replica for _, lease in sorted(self._leases.items(), key=_first)]

    def status(self) -> list[Replica]:
        """The same, saying of those that do not hold their lease that they are unconfirmed."""
        shown = []
        for replica in self.replicas:
            each = Replica()
            each.CopyFrom(replica)
            if self._leases[_key(replica)].is_suspect:
                each.state = REPLICA_STATE_UNCONFIRMED
            shown.append(each)
        return shown

    def start(self) -> None:
        """Begin to watch. What is known from before is asked at once."""
        self._sweeping = asyncio.create_task(self._sweep())

    async def close(self) -> None:
        """Watch no longer. Streams that end from now on say nothing about their replicas."""
        tasks = [lease.confirming for lease in self._leases.values()] + [self._sweeping]
        self._sweeping = None
        for task in tasks:
            if task is not None:
                task.cancel()
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)

    def hear(self, stream: Stream, replica: Replica) -> None:
        """*replica* says of itself what it is; it holds its lease by *stream* from now on."""
        lease = self._leases.get(_key(replica))
        before = lease and lease.published
        if lease is None or lease.stream is not stream:
            _log.info(
                "replica_registered",
                extra={"replica": replica.name, "service": replica.service, "pid": replica.pid},
            )
        if lease is None:
            lease = self._leases[_key(replica)] = Lease(replica, stream, time.monotonic())
        lease.replica, lease.stream, lease.heard = replica, stream, time.monotonic()
        if before != lease.published:
            self._changed()

    def lose(self, stream: Stream, replica: Replica, *, farewell: bool) -> None:
        """*stream* ended. With *farewell* the replica ended it on purpose, and is gone."""
        lease = self._leases.get(_key(replica))
        if lease is None or lease.stream is not stream or self._sweeping is None:
            return
        if farewell:
            self._remove(lease, "left")
            return
        lease.stream = None
        self._confirm(lease)

    async def _sweep(self) -> None:
        while True:
            for lease in list(self._leases.values()):
                if lease.is_suspect:
                    self._confirm(lease)
            await asyncio.sleep(_SWEEP)

    def _confirm(self, lease: Lease) -> None:
        if lease.confirming is None or lease.confirming.done():
            lease.confirming = asyncio.create_task(self._ask_while_suspect(lease))

    async def _ask_while_suspect(self, lease: Lease) -> None:
        silent_since: float | None = None
        pause = meaning.PROBE_INTERVAL
        while self._holds(lease) and lease.is_suspect:
            asked = time.monotonic()
            sign = await self._probe(lease.endpoint)
            if not (self._holds(lease) and lease.is_suspect):
                return
            if sign is Sign.ALIVE:
                silent_since = None
                pause = min(pause * 2, meaning.PROBE_INTERVAL_MOST)
            else:
                silent_since = silent_since or asked
                pause = meaning.PROBE_INTERVAL
                lasts = time.monotonic() - silent_since >= meaning.PROBE_UNANSWERED
                if sign is Sign.GONE or lasts:
                    self._remove(lease, sign.value)
                    return
            await asyncio.sleep(pause)

    def _holds(self, lease: Lease) -> bool:
        return self._leases.get(_key(lease.replica)) is lease

    def _remove(self, lease: Lease, cause: str) -> None:
        del self._leases[_key(lease.replica)]
        _log.info(
            "replica_removed",
            extra={
                "replica": lease.replica.name,
                "service": lease.replica.service,
                "cause": cause,
            },
        )
        if lease.published:
            self._changed()


def _key(replica: Replica) -> tuple[str, str]:
    return replica.service, replica.name


def _first(item: tuple[tuple[str, str], Lease]) -> tuple[str, str]:
    return item[0]
