"""The audit trail of one process: its journal, who vouches for its end, and who is told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor

from mesh.audit.journal import Journal
from mesh.audit.seal import Signer
from mesh.audit.telling import Send, Telling
from mesh.identity.workload import WorkloadIdentity
from mesh.settings import Settings
from observability.metrics.audit import audit
from plexus.client import Channel, Inbound, optional, working
from plexus.contract import TELLING, Contract, Method
from plexus.errors import Fault
from plexus.mesh.v1.registry_service_pb2 import RegisterResponse
from plexus.mesh.v1.replica_pb2 import JournalHead
from plexus.records.v1.records_service_pb2 import RecordAccessesRequest, RecordAccessesResponse
from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub

Servicers = Iterable[tuple[ServiceDescriptor, object]]


class Trail:
    """What a replica keeps of the calls it answers. Nothing, when none of its methods is audited."""

    def __init__(
        self, contract: Contract, workload: str, settings: Settings, identity: WorkloadIdentity
    ) -> None:
        services = contract.workloads.get(workload, ())
        self._log = contract.access_log
        self._workload = workload
        self._telling: Telling | None = None
        self.journal: Journal | None = None
        if any(method.audited for service in services for method in service.methods):
            self.journal = Journal(
                settings.audit / workload / settings.replica,
                workload,
                settings.replica,
                Signer(lambda: identity.held),
                always=settings.audit_always,
            )

    def open(self) -> None:
        """Begin to write; JournalTaken, JournalUnavailable."""
        if self.journal is not None:
            self.journal.open()

    def tell(
        self,
        channel: Callable[[str], Channel],
        servicers: Servicers,
        background: Callable[[str], Inbound],
    ) -> None:
        """Begin to tell of accesses: to the service that lists them, or, where that is this one, to its
        own servicer. *background* is the work that a task's calls are part of."""
        if self.journal is None or self._log is None:
            return
        own = _own(self._log, servicers)
        if own is not None:
            work, send = _at_home(self._workload), own
        else:
            stub = RecordsServiceStub(channel(self._log.service))
            work, send = background(TELLING), lambda told: optional(stub.RecordAccesses, told)
        self._telling = Telling(self.journal, send)
        with working(work):
            self._telling.start()

    @property
    def tasks(self) -> tuple[Telling, ...]:
        """The background work, once it has begun."""
        return (self._telling,) if self._telling else ()

    def metrics(self) -> Iterable[Any]:
        """The metrics of this instant."""
        return audit(self.journal) if self.journal else ()

    def head(self) -> JournalHead | None:
        """The end of the journal for the control plane to vouch for."""
        head = self.journal.head if self.journal else None
        if head is None:
            return None
        return JournalHead(
            id=head.journal_id, sequence=head.sequence, hash=head.hash, closed=head.closed
        )

    def heard(self, answer: RegisterResponse) -> None:
        """The control plane has written down the ends it was told of."""
        if self.journal is not None and answer.anchors_version:
            self.journal.note_anchors(answer.anchors_version)

    def close(self) -> None:
        """Tell what is left, and close the journal."""
        if self._telling is not None:
            self._telling.stop()
        if self.journal is not None:
            self.journal.close()


def _own(log: Method, servicers: Servicers) -> Send | None:
    for descriptor, servicer in servicers:
        if log.path.startswith(f"{descriptor.full_name}/"):
            handler: Callable[[Any, Any], RecordAccessesResponse] = getattr(servicer, log.name)
            return lambda told: _filed(handler, told)
    return None


def _filed(
    handler: Callable[[Any, Any], RecordAccessesResponse], told: RecordAccessesRequest
) -> RecordAccessesResponse | None:
    try:
        return handler(told, None)
    except Fault:
        # The store is away: it is told later, as anybody else would.
        return None


def _at_home(workload: str) -> Inbound:
    calls: Mapping[str, Any] = {}
    return Inbound(
        name=f"{workload}/{TELLING}", calls=calls, deadline=float("inf"), caller=workload
    )
