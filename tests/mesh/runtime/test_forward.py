"""Spans are passed on for as long as somebody takes them, and cost nothing much when nobody does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc

from mesh.runtime.forward import Forward


class Taker(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes spans in, once it is let."""

    def __init__(self) -> None:
        self.allowed = threading.Event()
        self.entered = threading.Event()
        self.names: list[str] = []
        self.took = threading.Condition()

    def Export(
        self, request: otlp.ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> otlp.ExportTraceServiceResponse:
        self.entered.set()
        self.allowed.wait(30)
        with self.took:
            self.names += [
                s.name for r in request.resource_spans for c in r.scope_spans for s in c.spans
            ]
            self.took.notify()
        return otlp.ExportTraceServiceResponse()

    def await_name(self, name: str) -> list[str]:
        """What came, once *name* did."""
        with self.took:
            assert self.took.wait_for(lambda: name in self.names, 30)
            return list(self.names)


def batch(name: str) -> otlp.ExportTraceServiceRequest:
    request = otlp.ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add().name = name
    return request


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"unix:{tmp_path / 'taker.sock'}"


def serve(address: str, taker: Taker) -> grpc.Server:
    server = grpc.server(ThreadPoolExecutor(1))
    register: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    register(taker, server)
    server.add_insecure_port(address)
    server.start()
    return server


@pytest.fixture
def taker(address: str) -> Iterator[Taker]:
    taker = Taker()
    server = serve(address, taker)
    yield taker
    taker.allowed.set()
    server.stop(None).wait()


def test_what_is_offered_arrives_in_order(address: str, taker: Taker) -> None:
    taker.allowed.set()
    forward = Forward(address)
    for number in range(5):
        forward.offer(batch(str(number)))
    assert taker.await_name("4") == ["0", "1", "2", "3", "4"]
    forward.close()
    assert forward.dropped == 0


def test_what_a_hung_target_does_not_take_is_dropped_beyond_a_bound(
    address: str, taker: Taker
) -> None:
    one = batch("x" * 1000)
    forward = Forward(address, largest=10 * one.ByteSize())
    forward.offer(one)
    assert taker.entered.wait(30)
    for _ in range(100):
        forward.offer(one)
    # The one that is under way counts: ten are held, whatever is offered.
    assert forward.dropped == 91
    taker.allowed.set()
    forward.close()


def test_a_target_that_was_gone_is_sent_to_when_it_is_back(address: str) -> None:
    forward = Forward(address)
    forward.offer(batch("while it was gone"))
    taker = Taker()
    taker.allowed.set()
    server = serve(address, taker)
    forward.offer(batch("since it is back"))
    taker.await_name("since it is back")
    forward.close()
    server.stop(None).wait()


def test_who_is_closed_takes_nothing(address: str, taker: Taker) -> None:
    taker.allowed.set()
    forward = Forward(address)
    forward.close()
    forward.offer(batch("late"))
    assert forward.dropped == 1
