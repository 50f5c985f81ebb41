"""Services with a servicer of a test's own, inside the stack and behind a real connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from prometheus_client import CollectorRegistry

from mesh.identity.tokens import Token
from mesh.server import Parts, Refusal, current, handlers
from mesh.server.pollers import Pollers
from observability.metrics import CallMetrics
from plexus.client import Channel, channel, optional
from plexus.contract import load
from plexus.errors import Fault, PlexusError
from plexus.records.v1 import records_service_pb2 as records
from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub
from plexus.scheduling.v1 import scheduling_service_pb2 as scheduling
from plexus.type.v1.errors_pb2 import PlatformError
from tests.listening import listening

CONTRACT = load()
RECORDS: ServiceDescriptor = records.DESCRIPTOR.services_by_name["RecordsService"]
SCHEDULING: ServiceDescriptor = scheduling.DESCRIPTOR.services_by_name["SchedulingService"]
PATIENT = records.GetPatientRequest(patient_id="pat_00000000")
SECRET = "Zebulon"
BOOKING = scheduling.BookAppointmentRequest(
    patient_id="pat_00000000", practitioner_id="pra_00000000", appointment_type_id="apt_00000000"
)
BOOKING.start_time.seconds = 1
WRITE = (("authorization", "Bearer scheduling.write"),)


class Unforeseen:
    """Methods that no test here calls for their answer."""

    def __getattr__(self, name: str) -> Any:
        return crash


class Answering(Unforeseen):
    """Answers GetPatient by a function."""

    def __init__(self, answer: Callable[[Any, Any], Any]) -> None:
        self.answer = answer
        self.seen: list[Any] = []

    def GetPatient(self, request: Any, context: Any) -> Any:
        self.seen.append(request)
        return self.answer(request, context)

    def ImportBundle(self, request_iterator: Any, context: Any) -> Any:
        self.seen.extend(request_iterator)
        return records.ImportBundleResponse(created=len(self.seen))

    def StreamRecordEvents(self, request: Any, context: Any) -> Iterator[Any]:
        for sequence in (1, 2):
            response = records.StreamRecordEventsResponse()
            response.event.sequence = sequence
            yield response


class Booking(Unforeseen):
    """Books, asking records by the call its contract declares optional, or as if it were required."""

    def __init__(self, stub: RecordsServiceStub, required: bool = False) -> None:
        self._stub = stub
        self._required = required

    def BookAppointment(self, request: Any, context: Any) -> Any:
        if self._required:
            self._stub.GetPatient(PATIENT)
        optional(self._stub.GetPatient, PATIENT)
        work = current()
        assert work is not None
        assert (work.caller, work.request_id) == ("edge/app", request.request_id)
        return scheduling.BookAppointmentResponse()


def found(_: Any, __: Any) -> Any:
    return records.GetPatientResponse()


@contextmanager
def serving(
    descriptor: ServiceDescriptor,
    servicer: object,
    caller: str = "scheduling",
    metrics: CallMetrics | None = None,
) -> Iterator[Channel]:
    def verify(bearer: str) -> Token:
        if bearer == "bad":
            raise Fault(PlatformError, PlatformError.PLATFORM_ERROR_TOKEN_INVALID)
        return Token(subject="app", scopes=frozenset(bearer.split(",")), expires=0)

    parts = Parts(
        contract=CONTRACT,
        metrics=metrics or CallMetrics(CollectorRegistry()),
        identify=lambda _: caller,
        verify=verify,
    )
    hands = Pollers(8)
    server = grpc.server(cast("Any", hands))
    server.add_generic_rpc_handlers((Refusal(),))
    services = {descriptor.full_name: handlers(descriptor, servicer, parts)}
    started = partial(hands.serve, services=services)
    with listening(server, started) as target, channel(target) as opened:
        yield opened


def reason(call: Callable[[], object]) -> str:
    try:
        call()
    except PlexusError as error:
        return error.reason
    return "OK"


def crash(_: Any, __: Any) -> Any:
    raise ValueError(SECRET)
