"""A real gRPC server whose answers a test scripts, and a channel of the client stack to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from plexus.client import Channel, Tuning, channel
from plexus.contract import load
from plexus.records.v1 import records_service_pb2 as records
from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub
from plexus.scheduling.v1 import scheduling_service_pb2 as scheduling
from plexus.scheduling.v1.scheduling_service_pb2_grpc import SchedulingServiceStub

Answer = Callable[[bytes, grpc.ServicerContext], bytes]

GET_PATIENT = "plexus.records.v1.RecordsService/GetPatient"
PATIENT = records.GetPatientRequest(patient_id="pat_00000000")
CANCEL = scheduling.CancelAppointmentRequest(appointment_id="app_00000000")


@dataclass
class Remote:
    """What the server answers and what it has seen."""

    answer: Answer
    address: str = ""
    calls: int = 0
    metadata: list[dict[str, Any]] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    remaining: list[float | None] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def handle(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """Note the call and answer it."""
        with self._lock:
            self.calls += 1
            self.metadata.append(dict(context.invocation_metadata()))
            self.requests.append(request)
            self.remaining.append(context.time_remaining())
        return self.answer(request, context)

    def channel(self, **tuning: Any) -> Channel:
        """A channel of the client stack to this server, without retries unless asked for."""
        return channel(self.address, tuning=Tuning(**{"attempts": 2, **tuning}))


class _Everything(grpc.GenericRpcHandler):
    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return grpc.unary_unary_rpc_method_handler(self._remote.handle)


@contextmanager
def remote(answer: Answer) -> Iterator[Remote]:
    """A server on a free port that answers every method with *answer*."""
    server = grpc.server(ThreadPoolExecutor(128))
    scripted = Remote(answer)
    server.add_generic_rpc_handlers((_Everything(scripted),))
    scripted.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield scripted
    finally:
        server.stop(0).wait()


def failing(code: grpc.StatusCode) -> Answer:
    """An answer that fails with *code*."""

    def answer(_: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(code, code.name)
        raise AssertionError

    return answer


def empty(_: bytes, __: grpc.ServicerContext) -> bytes:
    """An answer that is an empty message."""
    return b""


def records_of(opened: Channel) -> RecordsServiceStub:
    """The stub of records on a channel."""
    return RecordsServiceStub(opened)


def scheduling_of(opened: Channel) -> SchedulingServiceStub:
    """The stub of scheduling on a channel."""
    return SchedulingServiceStub(opened)


CONTRACT = load()
