"""Turns a service into a process of the mesh: `run("records", build)` is all of a `__main__`."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, cast

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor

from mesh import meaning
from mesh.audit.trail import Trail
from mesh.clock import now
from mesh.exposition import Exposition, certificate
from mesh.identity.tokens import Token, TokenError, TokenVerifier
from mesh.identity.workload import WorkloadIdentity
from mesh.infrastructure import Infrastructure
from mesh.listening import HOST, listen
from mesh.persistence import Periodic
from mesh.persistence.database import Database
from mesh.persistence.migrations import migrate
from mesh.persistence.once import purge
from mesh.registration import Registration
from mesh.server import Admission, Refusal, handlers
from mesh.server import Parts as ServerParts
from mesh.server.peers import Peers
from mesh.server.pollers import Pollers
from mesh.settings import Settings
from mesh.status import breaker_rows, call_rows
from mesh.understudy import understudy
from mesh.version import version
from mesh.yielding import take_part
from observability import logs, tracing
from observability.metrics import AdmissionMetrics, CallMetrics, calls_out
from observability.metrics.connections import connections
from observability.metrics.tasks import tasks
from plexus.client import Channel, Inbound, Tuning, channel, working
from plexus.contract import ContractError, Criticality, load
from plexus.contract.proofs import assert_stated
from plexus.errors import Fault
from plexus.mesh.v1 import replica_pb2
from plexus.type.v1.errors_pb2 import PlatformError

if TYPE_CHECKING:
    from mesh.chaos.inside import Inside

_log = structlog.get_logger()

_OPTIONS: Sequence[tuple[str, int]] = (
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    ("grpc.so_reuseport", 0),
    # Clients ping every second to find out whether a silent replica hangs: let them.
    ("grpc.http2.min_ping_interval_without_data_ms", 200),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 200),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
)
_GRACE = 5.0
# Seconds for a drain: less than the runtime waits before it kills.
_DRAIN = 10.0
_NEVER = 2**31 - 1
# Answers to requests are kept for a day and more; when exactly they go does not matter.
_PURGE_SECONDS = 3600.0


class Task(Protocol):
    """Background work of a service: a Follower or a Periodic, named as in its contract."""

    @property
    def name(self) -> str:
        """Its name in the contract."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End after the step in progress."""

    def lag(self) -> float:
        """Seconds by which it is behind."""


@dataclass(frozen=True, slots=True)
class Built:
    """A service, assembled: its servicers, each with its descriptor, and its tasks."""

    servicers: Sequence[tuple[ServiceDescriptor, object]]
    tasks: Sequence[Task] = ()


@dataclass(frozen=True)
class Parts:
    """What a service is assembled from."""

    workload: str
    database: Database
    sampling: float = 0.0
    clock: Callable[[], datetime] = now
    channels: dict[str, Channel] = field(default_factory=dict)

    def channel(self, workload: str) -> Channel:
        """A channel to another service of the mesh, for its generated stub. One for each."""
        if workload not in self.channels:
            self.channels[workload] = channel(
                f"xds:///{workload}",
                grpc.xds_channel_credentials(),
                tuning=Tuning(
                    attempts=meaning.ATTEMPTS,
                    breaker_failures=meaning.BREAKER_FAILURES,
                    breaker_seconds=meaning.BREAKER_RESET,
                    sampling=self.sampling,
                    slow_share=meaning.SLOW_SHARE,
                    bulkhead=meaning.BULKHEAD,
                ),
                enforce=True,
                # A channel that went idle has forgotten its replicas, and asks the control plane.
                options=(("grpc.client_idle_timeout_ms", _NEVER),),
            )
        return self.channels[workload]


Build = Callable[[Parts], Built]


def run(workload: str, build: Build, settings: Settings | None = None) -> None:
    """Serve *workload* until SIGTERM, then drain and return.

    Refuses to start when a method of the workload states no policy (ContractError), when a task has
    no counterpart in the contract, or when the process cannot prove who it is (IdentityError).
    """
    host = Host(workload, build, settings or Settings.read())
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    host.start()
    stop.wait()
    host.drain()


class Host:
    """One replica of a service."""

    def __init__(self, workload: str, build: Build, settings: Settings) -> None:
        self._started = datetime.now(UTC)
        self._workload = workload
        self._build = build
        self._settings = settings
        self._contract = load()
        self._exposition = Exposition(settings, workload)
        self._metrics = CallMetrics(self._exposition.registry)
        self._admission = Admission()
        ranks = {each.value: each.name.lower() for each in Criticality if each}
        AdmissionMetrics(self._admission, ranks, self._exposition.registry)
        self._identity = WorkloadIdentity(settings)
        self._peers = Peers(lambda: self._identity.trust_domain)
        self._trail = Trail(self._contract, workload, settings, self._identity)
        self._port = 0
        self._chaos = _chaos(settings, workload) if settings.chaos else None
        self._state = replica_pb2.REPLICA_STATE_STARTING

    def start(self) -> None:
        """Obtain the identity, bring the database up to date, serve, register, begin the tasks."""
        logs.configure(self._settings.replica, self._workload)
        assert_stated(self._contract, self._workload)
        # The certificate comes over the network and the schema from disk: neither waits for the other.
        joined = _in_background(self._identity.start)
        self._database = Database(self._settings.database_url_of(self._workload))
        migrate(self._database, f"services.{self._workload}")
        joined.result()
        os.environ["GRPC_XDS_BOOTSTRAP_CONFIG"] = self._identity.bootstrap(
            understudy(self._settings)
        )
        tracing.configure(self._workload, self._settings.replica, self._settings.otlp)
        self._parts = Parts(self._workload, self._database, sampling=self._settings.trace_sampling)
        self._built = self._build(self._parts)
        self._trail.open()
        self._purge = Periodic("purge", _PURGE_SECONDS, lambda: _purge(self._database))
        self._server = self._serve()
        self._expose()
        # What is there now stays: no collection of garbage, at which all calls wait, walks through it.
        gc.collect()
        gc.freeze()
        self._state = replica_pb2.REPLICA_STATE_READY
        take_part()
        self._registration = Registration(
            self._identity, self._settings, self._replica, self._trail.heard
        )
        self._registration.start()
        self._purge.start()
        for opened in self._parts.channels.values():
            # Its first call shall not need the control plane.
            opened.subscribe(_seen, try_to_connect=True)
        for task in self._built.tasks:
            with working(self._background(task.name)):
                task.start()
        self._trail.tell(self._parts.channel, self._built.servicers, self._background)
        _log.info("serving", port=self._port, workload=self._workload)

    def drain(self) -> None:
        """Leave the endpoints, finish what is in flight, stop.

        A drain that takes longer than whoever waits for it does is cut short: see `_cut_short`.
        """
        overdue = threading.Timer(_DRAIN, self._cut_short)
        overdue.daemon = True
        overdue.start()
        self._state = replica_pb2.REPLICA_STATE_DRAINING
        self._registration.announce(replica_pb2.REPLICA_STATE_DRAINING)
        # Calls that were on their way when the endpoint left are still answered.
        time.sleep(meaning.DRAIN_PAUSE)
        self._infrastructure.not_serving()
        for task in (self._purge, *self._built.tasks):
            task.stop()
        self._database.end_streams()
        self._server.stop(_GRACE).wait()
        self._trail.close()
        # The control plane vouches for the end of the journal, so that it cannot be cut off unnoticed.
        self._registration.tell()
        self._registration.close()
        self._identity.close()
        for opened in self._parts.channels.values():
            opened.close()
        self._database.close()
        tracing.flush()
        self._exposition.close()
        overdue.cancel()
        _log.info("drained", workload=self._workload)

    def _cut_short(self) -> None:
        """Say what everything waits for, close the journal in order, and end: better than to be killed."""
        frames = sys._current_frames()
        for thread in threading.enumerate():
            told = traceback.extract_stack(frames.get(thread.ident or 0), limit=None)
            where = " < ".join(f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno}" for f in told[:-7:-1])
            if "handler" not in thread.name:
                _log.warning("drain overdue", thread=thread.name, where=where)
        self._server.stop(0)
        if self._trail.journal is not None:
            self._trail.journal.close()
        self._registration.tell()
        os._exit(1)

    def _serve(self) -> grpc.Server:
        hands = Pollers(meaning.HANDLER_THREADS)
        server = grpc.server(
            # All that gRPC asks of an executor.
            cast("ThreadPoolExecutor", hands),
            options=_OPTIONS,
            # What finds no thread is refused by gRPC, in fewer words, rather than answered too late.
            maximum_concurrent_rpcs=meaning.HANDLER_THREADS,
        )
        parts = ServerParts(
            contract=self._contract,
            metrics=self._metrics,
            identify=self._peers.workload,
            verify=self._verify,
            sampling=self._settings.trace_sampling,
            admission=self._admission,
            book=self._trail.journal,
            disturb=self._chaos.disturb if self._chaos else None,
        )
        services = {
            descriptor.full_name: handlers(descriptor, servicer, parts)
            for descriptor, servicer in self._built.servicers
        }
        self._infrastructure = Infrastructure(
            list(services), self._peers.workload, self._settings.reflection
        )
        server.add_generic_rpc_handlers((*self._infrastructure.handlers, Refusal()))
        credentials = self._identity.server_credentials()
        self._port = listen(server, credentials, self._settings.port)
        hands.serve(server, services)
        return server

    def _expose(self) -> None:
        held, callers = self._identity, self._contract.callers
        self._exposition.start(
            lambda: calls_out(
                self._parts.channels.values, lambda path: self._workload in callers[path]
            ),
            lambda: connections(self._database.pools),
            lambda: tasks(lambda: (self._purge, *self._built.tasks, *self._trail.tasks)),
            self._trail.metrics,
            lambda: certificate(lambda: (held.held.start_time, held.expire_time)),
        )

    def _background(self, name: str) -> Inbound:
        """The work that the calls of a task are part of; ContractError when the contract has no such task."""
        for service in self._contract.workloads[self._workload]:
            for task in service.tasks:
                if task.name == name:
                    work = f"{self._workload}/{name}"
                    return Inbound(name=work, calls=task.declared, deadline=float("inf"))
        raise ContractError(f"the contract of {self._workload} states no task {name}")

    @cached_property
    def _tokens(self) -> TokenVerifier:
        return TokenVerifier(self._identity.token_keys())

    def _verify(self, bearer: str) -> Token:
        try:
            return self._tokens.verify(bearer)
        except TokenError:
            raise Fault(PlatformError, PlatformError.PLATFORM_ERROR_TOKEN_INVALID) from None

    def _replica(self) -> replica_pb2.Replica:
        address = HOST, self._port
        host, port = self._chaos.address(*address) if self._chaos else address
        replica = replica_pb2.Replica(
            name=self._settings.replica,
            service=self._workload,
            host=host,
            port=port,
            state=self._state,
            pid=os.getpid(),
            version=version(),
            breakers=breaker_rows(self._parts.channels.values()),
            calls=call_rows(self._metrics),
            metrics_port=self._exposition.port,
            journal=self._trail.head(),
        )
        replica.start_time.FromDatetime(self._started)
        replica.certificate_expire_time.FromDatetime(self._identity.expire_time)
        return replica


def _chaos(settings: Settings, workload: str) -> Inside:
    # Imported here: no process but those of a chaos run has anything of it.
    from mesh.chaos.inside import Inside

    return Inside(settings.home, workload, settings.replica)


def _seen(_: grpc.ChannelConnectivity) -> None:
    """Somebody has to be told; nobody needs to know."""


def _purge(database: Database) -> None:
    purge(database)


def _in_background(work: Callable[[], None]) -> Future[None]:
    done: Future[None] = Future()

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised where the result is awaited
            done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=run, daemon=True).start()
    return done
