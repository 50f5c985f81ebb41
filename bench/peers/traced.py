"""A server and its caller, told apart by what they do about traces and by nothing else.

    python -m bench.peers.traced serve KIND
    python -m bench.peers.traced call KIND PORT [PORT]

KIND is `bare`, grpcio as it comes; `instrumented`, the same with opentelemetry-instrumentation-grpc as its
documentation sets it up, everything sampled; or `plexus`, both stacks over plaintext. The last has two
servers: one as it is, and one whose stack, like its caller's, has nothing of traces in it.

Whoever makes spans encodes them as OTLP, as it would to send them, and drops them.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import grpc
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry

from bench import load
from bench.peers.charts import DEADLINE, PATH, requests
from bench.peers.rpc import THREADS, Records
from bench.side_by_side import Meter
from mesh.server import Admission, Parts, handlers
from mesh.server.faults import abort
from mesh.server.incoming import Incoming
from mesh.server.stack import compose
from observability.metrics import CallMetrics
from plexus.client import Inbound, Tuning, channel
from plexus.client.trace import trace
from plexus.contract import Method
from plexus.contract import load as load_contract
from plexus.records.v1 import records_service_pb2 as records
from plexus.records.v1.records_service_pb2_grpc import (
    RecordsServiceStub,
    add_RecordsServiceServicer_to_server,
)

KINDS: Final = ("bare", "instrumented", "plexus")
_SERVICE: Final = records.DESCRIPTOR.services_by_name["RecordsService"]
_HOST: Final = "127.0.0.1"


class Encoding(SpanExporter):
    """Does with spans what costs their process something, and no more."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Encode them."""
        encode_spans(spans).SerializeToString()
        return SpanExportResult.SUCCESS


def instrument() -> None:
    """OpenTelemetry's instrumentation of gRPC, and its own batch processor."""
    from opentelemetry import trace as otel
    from opentelemetry.instrumentation import grpc as instrumentation
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    provider = TracerProvider(sampler=ALWAYS_ON)
    provider.add_span_processor(BatchSpanProcessor(Encoding()))
    otel.set_tracer_provider(provider)
    for name in ("GrpcInstrumentorServer", "GrpcInstrumentorClient"):
        instrumentor: Any = getattr(instrumentation, name)
        instrumentor().instrument()


def record(name: str) -> None:
    """Spans as a replica makes them."""
    import structlog

    from observability import tracing
    from observability.scrubbing import Scrubbing
    from observability.tracing.queue import SpanQueue

    tracing.record(name, f"{name}-1", SpanQueue(Scrubbing(Encoding())))
    # A sampled call has a line in the log, too, which is not what is measured here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


def untraced(method: Method, handler: Any, parts: Parts) -> Any:
    """What `mesh.server.handlers` would be if there were no traces."""
    handle = compose(method, parts, handler)

    def serve(raw: Any, call: grpc.ServicerContext) -> Any:
        left = call.time_remaining()
        longest = method.deadline if left is None else min(method.deadline, left)
        work = Inbound(
            name=method.path,
            calls=method.calls,
            deadline=time.monotonic() + longest,
            method=method,
            is_active=call.is_active,
        )
        metadata: Mapping[str, Any] = dict(call.invocation_metadata() or ())
        try:
            return handle(Incoming(raw=raw, context=call, metadata=metadata, work=work))
        except Exception as error:  # noqa: BLE001 - as in handlers
            abort(error, call)

    return grpc.unary_unary_rpc_method_handler(
        serve, response_serializer=lambda message: message.SerializeToString()
    )


def serve(kind: str) -> None:
    """Serve until standard input ends; `ports` is what is said first."""
    servers = _servers(kind)
    ports = [server.add_insecure_port(f"{_HOST}:0") for server in servers]
    for server in servers:
        server.start()
    load.obey(lambda _: None, ready={"ports": ports})
    for server in servers:
        server.stop(None)


def _servers(kind: str) -> list[grpc.Server]:
    if kind != "plexus":
        server = grpc.server(ThreadPoolExecutor(THREADS))
        add_RecordsServiceServicer_to_server(Records(), server)  # type: ignore[abstract]
        return [server]
    record("records")
    return [_plexus(traced=True), _plexus(traced=False)]


def _plexus(*, traced: bool) -> grpc.Server:
    parts = Parts(
        contract=load_contract(),
        metrics=CallMetrics(CollectorRegistry()),
        identify=lambda _: "triage",
        verify=None,
        admission=Admission(),
    )
    servicer: Any = Records()  # type: ignore[abstract]
    made = handlers(_SERVICE, servicer, parts)
    if not traced:
        method = parts.contract.method(PATH)
        made = {method.name: untraced(method, servicer.GetChart, parts)}
    server = grpc.server(ThreadPoolExecutor(THREADS))
    # As `mesh.host` does, and as generated code does for bare grpcio.
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(_SERVICE.full_name, made),)
    )
    server.add_registered_method_handlers(_SERVICE.full_name, made)
    return server


def call(kind: str, ports: Sequence[int]) -> None:
    """Call when told to; `how` chooses among the ways in which Plexus can."""
    stubs = _stubs(kind, [f"{_HOST}:{port}" for port in ports])
    ready = requests()

    def chosen(command: Mapping[str, Any]) -> load.Call:
        get_chart = stubs[command.get("how", kind)].GetChart
        return partial(get_chart, ready[command["size"]], timeout=DEADLINE)

    answer = load.answering(chosen)
    load.obey(lambda told: _alternate(stubs, told) if "alternate" in told else answer(told))


def _alternate(stubs: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, list[float]]:
    """The CPU of a call, in microseconds and at both ends, of each way in each of many short turns.

    Turns of some milliseconds are under the same conditions, however busy the machine is.
    """
    request = requests()[told["size"]]
    meter = Meter(os.getpid(), told["server"])
    used: dict[str, list[float]] = {how: [] for how in told["alternate"]}
    for turn in range(told["turns"]):
        for how in list(used)[:: -1 if turn % 2 else 1]:
            get_chart = stubs[how].GetChart
            before = meter.read()
            for _ in range(told["calls"]):
                get_chart(request, timeout=DEADLINE)
            used[how].append((meter.read() - before) / told["calls"] * 1e6)
    return used


def _stubs(kind: str, targets: Sequence[str]) -> dict[str, Any]:
    stub: Callable[[Any], Any] = RecordsServiceStub
    if kind != "plexus":
        return {kind: stub(grpc.insecure_channel(targets[0]))}
    record("triage")
    made = {
        "unsampled": stub(channel(targets[0], tuning=Tuning(sampling=0.0))),
        "sampled": stub(channel(targets[0], tuning=Tuning(sampling=1.0))),
    }
    stack: Any = sys.modules["plexus.client.channel"]
    stack.UNARY = tuple(layer for layer in stack.UNARY if layer is not trace)
    made["untraced"] = stub(channel(targets[1], tuning=Tuning()))
    return made


def main() -> None:
    """Be the server or the caller."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("role", choices=("serve", "call"))
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("ports", type=int, nargs="*")
    told = parser.parse_args()
    if told.kind == "instrumented":
        instrument()
    if told.role == "serve":
        serve(told.kind)
    else:
        call(told.kind, told.ports)


if __name__ == "__main__":
    main()
