"""What is served now, to whom, and what the clients said to it.

A resource that clients refuse is served again as it was last accepted, until its content
changes. A resource that somebody subscribes to is never taken away.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from envoy.service.discovery.v3.discovery_pb2 import DiscoveryResponse

from mesh import meaning
from mesh.controlplane.resources import Kind
from mesh.controlplane.snapshot import InconsistentError, Resource, Snapshot, assemble
from plexus.mesh.v1.replica_pb2 import Nack, ResourceVersion

_log = logging.getLogger(__name__)


# What a response lacks of the others is deleted by the client. Of these it may lack what did not
# change (xDS: "State of the World").
_IN_PARTS = frozenset({Kind.LOAD_ASSIGNMENT, Kind.ROUTES})


@dataclass(frozen=True, slots=True)
class Sent:
    """The last response of one type on one stream: the *resources* in it, and the *digests* of all
    that the client has when it accepts it."""

    nonce: str
    version: str
    resources: Mapping[str, Resource]
    digests: Mapping[str, str]


@dataclass(eq=False, slots=True)
class Subscriber:
    """One ADS stream: what it asks for, what it was sent, what it accepted."""

    node: str = ""
    wanted: dict[Kind, frozenset[str]] = field(default_factory=dict)
    asked: set[Kind] = field(default_factory=set)
    sent: dict[Kind, Sent] = field(default_factory=dict)
    accepted: dict[Kind, Mapping[str, str]] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    responses: int = 0

    def ask(self, kind: Kind, names: frozenset[str]) -> None:
        """Subscribe to exactly *names*."""
        if self.wanted.get(kind) != names:
            self.wanted[kind] = names
            self.asked.add(kind)
            self.wake.set()

    def has_accepted(self, kind: Kind, snapshot: Snapshot) -> bool:
        """Whether it uses what *snapshot* has for it."""
        return self.accepted.get(kind) == snapshot[kind].digests(self.wanted[kind])

    def respond(self, kind: Kind, snapshot: Snapshot) -> bytes | None:
        """The response that brings it to *snapshot*, serialised; None when it has that already."""
        if kind not in self.wanted:
            return None
        served = snapshot[kind]
        due = served.digests(self.wanted[kind])
        last = self.sent.get(kind)
        asked = kind in self.asked
        if not asked and last is not None and last.digests == due:
            return None
        names = tuple(due)
        if not asked and last is not None and self._can_tell_apart(kind, last):
            names = tuple(name for name in due if last.digests.get(name) != due[name]) or names
        self.asked.discard(kind)
        self.responses += 1
        sent = Sent(
            nonce=str(self.responses),
            version=served.version,
            resources={name: served.by_name[name] for name in names},
            digests=due,
        )
        self.sent[kind] = sent
        # Fields of a message may follow one another in any order: the nonce, which is all that is this
        # client's own, comes after what is everybody's.
        own: bytes = DiscoveryResponse(nonce=sent.nonce).SerializeToString()
        return served.content(kind, names) + own

    def _can_tell_apart(self, kind: Kind, last: Sent) -> bool:
        """Whether what it has is known: it may then be told the difference alone."""
        return kind in _IN_PARTS and self.accepted.get(kind) == last.digests


@dataclass(slots=True)
class Tally:
    """What became of the responses of one type since the start."""

    sent: int = 0
    accepted: int = 0
    refused: int = 0


class Publisher:
    """Holds the snapshot that is served and everyone it is served to."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._latest = snapshot
        self._served = snapshot
        self._accepted: dict[tuple[Kind, str], Resource] = {}
        self._refused: dict[tuple[Kind, str], str] = {}
        self._subscribers: set[Subscriber] = set()
        self._nacks: deque[Nack] = deque(maxlen=meaning.NACKS_KEPT)
        self._acknowledged = asyncio.Condition()
        self.tallies: dict[Kind, Tally] = {kind: Tally() for kind in Kind}

    @property
    def served(self) -> Snapshot:
        """The snapshot that clients get."""
        return self._served

    @property
    def nacks(self) -> list[Nack]:
        """The refusals, newest first."""
        return list(reversed(self._nacks))

    def versions(self) -> list[ResourceVersion]:
        """The served version of each type and how many clients have it."""
        return [self._version(kind) for kind in Kind]

    def join(self, subscriber: Subscriber) -> None:
        """Begin to serve *subscriber*."""
        self._subscribers.add(subscriber)

    async def leave(self, subscriber: Subscriber) -> None:
        """Serve *subscriber* no longer."""
        self._subscribers.discard(subscriber)
        await self._tell_waiters()

    def publish(self, snapshot: Snapshot) -> None:
        """Serve *snapshot*, but nothing that was refused and nothing less than is subscribed to."""
        self._latest = self._with_subscribed(snapshot)
        self._refused = {
            (kind, name): digest
            for (kind, name), digest in self._refused.items()
            if self._latest[kind].digests(frozenset({name})).get(name) == digest
        }
        self._serve()

    def respond(self, subscriber: Subscriber, kind: Kind) -> bytes | None:
        """The response that brings *subscriber* to what is served; None when it has that already."""
        response = subscriber.respond(kind, self._served)
        self.tallies[kind].sent += response is not None
        return response

    async def accept(self, subscriber: Subscriber, kind: Kind) -> None:
        """*subscriber* uses what it was sent last."""
        self.tallies[kind].accepted += 1
        sent = subscriber.sent[kind]
        subscriber.accepted[kind] = sent.digests
        self._accepted.update({(kind, name): found for name, found in sent.resources.items()})
        await self._tell_waiters()

    def refuse(self, subscriber: Subscriber, kind: Kind, message: str) -> None:
        """*subscriber* does not use what it was sent last: what nobody accepted is rolled back."""
        self.tallies[kind].refused += 1
        sent = subscriber.sent[kind]
        nack = Nack(type=kind.label, version=sent.version, node=subscriber.node, message=message)
        nack.time.FromMilliseconds(round(time.time() * 1000))
        self._nacks.append(nack)
        _log.error(
            "resource_refused",
            extra={
                "type": kind.label,
                "version": sent.version,
                "node": subscriber.node,
                "cause": message,
            },
        )
        for name, resource in sent.resources.items():
            accepted = self._accepted.get((kind, name))
            if accepted is None or accepted.digest != resource.digest:
                self._refused[kind, name] = resource.digest
        self._serve()

    async def settle(self, kind: Kind, timeout: float) -> bool:
        """Wait until every subscriber uses what is served now; False when *timeout* came first."""

        served: Snapshot | None = None
        waited_for: list[Subscriber] = []

        def settled() -> bool:
            # Asked at every acceptance: each subscriber is looked at once, not each time.
            nonlocal served
            if served is not self._served:
                served = self._served
                waited_for[:] = [each for each in self._subscribers if kind in each.wanted]
            while waited_for:
                last = waited_for[-1]
                if last in self._subscribers and not last.has_accepted(kind, served):
                    return False
                waited_for.pop()
            return True

        async with self._acknowledged:
            try:
                await asyncio.wait_for(self._acknowledged.wait_for(settled), timeout)
            except TimeoutError:
                return False
        return True

    def _serve(self) -> None:
        try:
            served = assemble(
                {
                    kind: map(self._chosen(kind), self._latest[kind].by_name.values())
                    for kind in Kind
                }
            )
        except InconsistentError as error:
            # What was accepted before does not fit what is there now: the refused one is the
            # lesser evil, since a client keeps what it has.
            _log.error("rollback_inconsistent", extra={"cause": str(error)})
            served = self._latest
        if served.versions != self._served.versions:
            _log.info("published", extra={"versions": dict(served.versions)})
        self._served = served
        for subscriber in self._subscribers:
            subscriber.wake.set()

    def _chosen(self, kind: Kind) -> Callable[[Resource], Resource]:
        def choose(resource: Resource) -> Resource:
            key = (kind, resource.name)
            if self._refused.get(key) != resource.digest:
                return resource
            return self._accepted.get(key, resource)

        return choose

    def _with_subscribed(self, snapshot: Snapshot) -> Snapshot:
        """*snapshot*, and what is served and subscribed to and no longer in it."""
        kept: dict[Kind, list[Resource]] = {}
        for kind in Kind:
            wanted = {name for s in self._subscribers for name in s.wanted.get(kind, ())}
            gone = wanted & (self._served[kind].by_name.keys() - snapshot[kind].by_name.keys())
            kept[kind] = [self._served[kind].by_name[name] for name in gone]
        if not any(kept.values()):
            return snapshot
        return assemble({kind: [*snapshot[kind].by_name.values(), *kept[kind]] for kind in Kind})

    def _version(self, kind: Kind) -> ResourceVersion:
        subscribers = [s for s in self._subscribers if kind in s.wanted]
        return ResourceVersion(
            type=kind.label,
            version=self._served[kind].version,
            subscribers=len(subscribers),
            acknowledged=sum(s.has_accepted(kind, self._served) for s in subscribers),
        )

    async def _tell_waiters(self) -> None:
        async with self._acknowledged:
            self._acknowledged.notify_all()
