"""grpcio as it comes, and with what its users add to it.

    python -m bench.peers.rpc serve [--tls FOLDER] [--instrumented]
    python -m bench.peers.rpc call TARGET [--tls FOLDER] [--instrumented] [--round-robin] [--retry]

The server is grpcio's synchronous one with a pool of 32 threads, the client its generated stub with a
deadline on every call. `--tls` is mutual TLS with the P-256 certificates in FOLDER. `--instrumented` is
opentelemetry-instrumentation-grpc as its documentation sets it up: the instrumentors of client and
server, everything sampled, a batch processor, and behind it an exporter that drops. `--round-robin`
and `--retry` are gRPC's service config.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import grpc

from bench import load
from bench.peers.certificates import CERTIFICATE, KEY, TRUST
from bench.peers.charts import DEADLINE, PATH, charts, requests
from plexus.records.v1.records_service_pb2 import GetChartRequest, GetChartResponse
from plexus.records.v1.records_service_pb2_grpc import (
    RecordsServiceServicer,
    RecordsServiceStub,
    add_RecordsServiceServicer_to_server,
)

THREADS = 32
_HOST = "127.0.0.1"


class Records(RecordsServiceServicer):
    """Has the answers ready."""

    def __init__(self) -> None:
        self._charts = charts()

    def GetChart(self, request: GetChartRequest, context: Any) -> GetChartResponse:
        """The chart of the size that the patient stands for."""
        del context
        return self._charts[request.patient_id]


def serve(tls: Path | None) -> None:
    """Serve until standard input ends; `port` is what is said first."""
    server = grpc.server(ThreadPoolExecutor(THREADS))
    add_RecordsServiceServicer_to_server(Records(), server)  # type: ignore[abstract]
    if tls is None:
        port = server.add_insecure_port(f"{_HOST}:0")
    else:
        pair = ((tls / KEY).read_bytes(), (tls / CERTIFICATE).read_bytes())
        credentials = grpc.ssl_server_credentials(
            [pair], (tls / TRUST).read_bytes(), require_client_auth=True
        )
        port = server.add_secure_port(f"{_HOST}:0", credentials)
    server.start()
    load.obey(lambda _: None, ready={"port": port})
    server.stop(None)


def call(target: str, tls: Path | None, options: Sequence[tuple[str, Any]] = ()) -> None:
    """Call when told to."""
    with _channel(target, tls, options) as channel:
        get_chart = RecordsServiceStub(channel).GetChart
        ready = requests()

        def chosen(command: Mapping[str, Any]) -> load.Call:
            return partial(get_chart, ready[command["size"]], timeout=DEADLINE)

        load.obey(load.answering(chosen))


def _channel(target: str, tls: Path | None, options: Sequence[tuple[str, Any]]) -> grpc.Channel:
    if tls is None:
        return grpc.insecure_channel(target, options)
    files = ((tls / name).read_bytes() for name in (TRUST, KEY, CERTIFICATE))
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(*files), options)


def _service_config(round_robin: bool, retry: bool) -> list[tuple[str, Any]]:
    if not round_robin:
        return []
    service, _, method = PATH.partition("/")
    stated: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if retry:
        policy = {
            "maxAttempts": 3,
            "initialBackoff": "0.02s",
            "maxBackoff": "0.2s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        }
        name = {"service": service, "method": method}
        stated["methodConfig"] = [{"name": [name], "retryPolicy": policy}]
    return [("grpc.service_config", json.dumps(stated))]


def _instrument() -> None:
    from opentelemetry import trace
    from opentelemetry.instrumentation import grpc as instrumentation
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    from bench.peers.spans import Dropping

    provider = TracerProvider(sampler=ALWAYS_ON)
    provider.add_span_processor(BatchSpanProcessor(Dropping()))
    trace.set_tracer_provider(provider)
    for name in ("GrpcInstrumentorServer", "GrpcInstrumentorClient"):
        instrumentor: Any = getattr(instrumentation, name)
        instrumentor().instrument()


def main() -> None:
    """Be the server or the client."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    roles = parser.add_subparsers(dest="role", required=True)
    for role in ("serve", "call"):
        added = roles.add_parser(role)
        added.add_argument("--tls", type=Path)
        added.add_argument("--instrumented", action="store_true")
    added.add_argument("target")
    added.add_argument("--round-robin", action="store_true")
    added.add_argument("--retry", action="store_true")
    told = parser.parse_args()
    if told.instrumented:
        _instrument()
    if told.role == "serve":
        serve(told.tls)
    else:
        call(told.target, told.tls, _service_config(told.round_robin, told.retry))


if __name__ == "__main__":
    main()
