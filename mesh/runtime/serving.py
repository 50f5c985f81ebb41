"""The runtime's two sockets: RuntimeService for the operator, OTLP for everybody's spans.

Both lie in a folder that only its owner can open: who reaches them is the operator.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    add_TraceServiceServicer_to_server,
)
from prometheus_client import CollectorRegistry

from mesh.runtime.forward import Forward
from mesh.runtime.home import Home
from mesh.runtime.service import RuntimeServicer
from mesh.runtime.spans import SpanReceiver, SpanStore
from mesh.server import Parts, handlers
from mesh.topology import OPERATOR
from observability.metrics import CallMetrics
from plexus.contract import load
from plexus.mesh.v1 import runtime_service_pb2

_THREADS = 8
_MAX_SPANS_BYTES = 16 * 1024 * 1024


def serve_operator(
    home: Home, servicer: RuntimeServicer, registry: CollectorRegistry
) -> grpc.Server:
    """Answer RuntimeService, through the server stack."""
    parts = Parts(
        contract=load(),
        metrics=CallMetrics(registry),
        identify=lambda _: OPERATOR,
        verify=None,
    )
    descriptor = runtime_service_pb2.DESCRIPTOR.services_by_name["RuntimeService"]
    stacked = handlers(descriptor, servicer, parts)
    # The client stack pings every second; a server that is not told so hangs up on it.
    options = (
        ("grpc.http2.min_ping_interval_without_data_ms", 500),
        ("grpc.keepalive_permit_without_calls", 1),
    )
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="operator")
    server = grpc.server(pool, options=options)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(descriptor.full_name, stacked),)
    )
    home.runtime_socket.unlink(missing_ok=True)
    server.add_insecure_port(f"unix:{home.runtime_socket}")
    server.start()
    return server


def serve_spans(home: Home, store: SpanStore, forwards: Sequence[Forward] = ()) -> grpc.Server:
    """Take spans in by OTLP, and offer them to *forwards*."""
    options = (("grpc.max_receive_message_length", _MAX_SPANS_BYTES),)
    server = grpc.server(ThreadPoolExecutor(2, thread_name_prefix="spans"), options=options)
    register: Any = add_TraceServiceServicer_to_server
    register(SpanReceiver(store, forwards), server)
    home.traces_socket.unlink(missing_ok=True)
    server.add_insecure_port(f"unix:{home.traces_socket}")
    server.start()
    return server
