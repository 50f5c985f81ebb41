"""A replica's lease with the control plane: a stream that says, again and again, what it is.

It reconnects for ever, with back-off and jitter. Calls do not depend on it: without the control
plane a replica goes on serving whoever knows it.
"""

from __future__ import annotations

import logging
import random
import threading
import uuid
from collections.abc import Callable, Iterator

import grpc

from mesh import meaning
from mesh.identity.workload import WorkloadIdentity
from mesh.settings import Settings
from plexus import contract
from plexus.mesh.v1.registry_service_pb2 import RegisterRequest, RegisterResponse
from plexus.mesh.v1.registry_service_pb2_grpc import RegistryServiceStub
from plexus.mesh.v1.replica_pb2 import REPLICA_STATE_READY, Replica, ReplicaState

_log = logging.getLogger(__name__)

_METHOD = "plexus.mesh.v1.RegistryService/Register"

_OPTIONS = (
    ("grpc.keepalive_time_ms", round(meaning.CLIENT_KEEPALIVE_INTERVAL * 1000)),
    ("grpc.keepalive_timeout_ms", round(meaning.CLIENT_KEEPALIVE_TIMEOUT * 1000)),
    ("grpc.http2.ping_timeout_ms", round(meaning.CLIENT_KEEPALIVE_TIMEOUT * 1000)),
    ("grpc.http2.max_pings_without_data", 0),
    # This loop does the reconnecting: a channel that waits by itself would wait longer.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
)


class Registration:
    """Keeps the lease of one replica in a daemon thread.

    *replica* says what the replica is now; it is asked at every heartbeat. `announce` overrides
    its state. *heard* is given every answer.
    """

    def __init__(
        self,
        identity: WorkloadIdentity,
        settings: Settings,
        replica: Callable[[], Replica],
        heard: Callable[[RegisterResponse], None] | None = None,
    ) -> None:
        self._identity = identity
        self._address = settings.control_plane
        self._replica = replica
        self._heard = heard or _ignore
        self._wanted = self._told = 0
        self._changed = threading.Condition()
        self._state: ReplicaState.ValueType | None = None
        self._confirmed: ReplicaState.ValueType | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._hold, name="registration", daemon=True)

    def start(self) -> None:
        """Begin to register, as what *replica* says."""
        self._thread.start()

    def wait_ready(self, timeout: float) -> bool:
        """Wait until the control plane publishes the replica as READY; False after *timeout*."""
        return self._wait_confirmed(REPLICA_STATE_READY, timeout)

    def announce(self, state: ReplicaState.ValueType, timeout: float = 2.0) -> bool:
        """Say *state*, and wait until it is published; False after *timeout* seconds.

        DRAINING is published when every client that the control plane knows has heard of it.
        """
        with self._changed:
            self._state = state
            self._changed.notify_all()
        return self._wait_confirmed(state, timeout)

    def tell(self, timeout: float = 1.0) -> bool:
        """Say what the replica is now, and wait for the answer; False after *timeout* seconds."""
        with self._changed:
            self._wanted += 1
            wanted = self._wanted
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._told >= wanted, timeout)

    def close(self, timeout: float = 1.0) -> None:
        """End the stream. After DRAINING this is farewell: the endpoint leaves at once."""
        self._closed.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _wait_confirmed(self, state: ReplicaState.ValueType, timeout: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._confirmed == state, timeout)

    def _hold(self) -> None:
        deadline = contract.load().method(_METHOD).deadline
        pause = meaning.RECONNECT_FIRST
        while not self._closed.is_set():
            lease = _Lease(
                self._describe,
                lambda: self._state,
                lambda: self._wanted,
                self._changed,
                self._closed,
            )
            try:
                with self._channel() as channel:
                    stub = RegistryServiceStub(channel)
                    for answer in stub.Register(lease.requests(), timeout=deadline):
                        pause = meaning.RECONNECT_FIRST
                        self._heard(answer)
                        self._confirm(*lease.answered())
            except grpc.RpcError as error:
                _log.warning("registration_lost", extra={"cause": error.code().name})
            finally:
                lease.end()
            self._closed.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311
            pause = min(pause * 2, meaning.RECONNECT_MOST)

    def _channel(self) -> grpc.Channel:
        # A channel for each stream: each has the certificate of its day.
        return grpc.secure_channel(
            self._address, self._identity.channel_credentials(), options=_OPTIONS
        )

    def _describe(self) -> Replica:
        replica = Replica()
        replica.CopyFrom(self._replica())
        if self._state is not None:
            replica.state = self._state
        replica.certificate_expire_time.FromDatetime(self._identity.expire_time)
        return replica

    def _confirm(self, state: ReplicaState.ValueType, told: int) -> None:
        with self._changed:
            if self._confirmed != state or self._told != told:
                self._confirmed, self._told = state, told
                self._changed.notify_all()


class _Lease:
    """One stream: what was sent on it and not answered yet."""

    def __init__(
        self,
        describe: Callable[[], Replica],
        announced: Callable[[], ReplicaState.ValueType | None],
        wanted: Callable[[], int],
        changed: threading.Condition,
        closed: threading.Event,
    ) -> None:
        self._describe = describe
        self._announced = announced
        self._wanted = wanted
        self._changed = changed
        self._closed = closed
        self._ended = False
        self._id = str(uuid.uuid4())
        self._unanswered: list[tuple[ReplicaState.ValueType, int]] = []

    def requests(self) -> Iterator[RegisterRequest]:
        """The replica as it is, now and whenever it changes, and at every heartbeat."""
        while not self._over():
            wanted = self._wanted()
            replica = self._describe()
            sent = (replica.state, wanted)
            with self._changed:
                self._unanswered.append(sent)
            yield RegisterRequest(request_id=self._id, replica=replica)
            with self._changed:
                self._changed.wait_for(
                    lambda sent=sent: self._over() or self._is_news(*sent),  # type: ignore[misc]
                    meaning.HEARTBEAT,
                )

    def answered(self) -> tuple[ReplicaState.ValueType, int]:
        """What the next answer, of as many as there were requests, is about: the state that was sent,
        and how often it had been wanted."""
        with self._changed:
            return self._unanswered.pop(0)

    def end(self) -> None:
        """No more requests."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _over(self) -> bool:
        return self._ended or self._closed.is_set()

    def _is_news(self, state: ReplicaState.ValueType, wanted: int) -> bool:
        announced = self._announced()
        return self._wanted() != wanted or (announced is not None and announced != state)


def _ignore(_: RegisterResponse) -> None:
    """Nobody wants to know."""
