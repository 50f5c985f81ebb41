"""What leaves a process: names, Prometheus's endpoint, and the same numbers by OTLP."""

from __future__ import annotations

import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as service
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    MetricsServiceServicer,
    add_MetricsServiceServicer_to_server,
)
from prometheus_client import CollectorRegistry

from mesh.exposition import Exposition
from mesh.settings import Settings
from observability.metrics import CallMetrics, Kind, Metric
from observability.metrics.definitions import GROUPS
from observability.metrics.metric import Resource
from observability.metrics.otlp import Sender, request
from observability.objectives import AVAILABILITY, WITHIN_DEADLINE, objectives
from plexus.contract import load
from tests.client.remote import GET_PATIENT
from tests.listening import listening


@pytest.mark.parametrize(
    ("metric", "exposed"),
    [
        (Metric("rpc.client.hedges", Kind.COUNTER, "{attempt}", ""), "rpc_client_hedges_total"),
        (Metric("mesh.follower.lag", Kind.GAUGE, "s", ""), "mesh_follower_lag_seconds"),
        (Metric("rpc.call.duration", Kind.HISTOGRAM, "s", ""), "rpc_call_duration_seconds"),
        (Metric("process.cpu.time", Kind.COUNTER, "s", ""), "process_cpu_time_seconds_total"),
    ],
)
def test_a_name_is_spelled_for_prometheus_as_opentelemetry_says(
    metric: Metric, exposed: str
) -> None:
    assert metric.exposed == exposed


def test_no_two_metrics_have_one_name() -> None:
    names = [metric.base for group in GROUPS.values() for metric in group]
    assert len(names) == len(set(names))


def test_every_method_has_an_objective_and_a_bucket_ends_at_its_deadline() -> None:
    metrics = CallMetrics(CollectorRegistry())
    metrics.recorder(GET_PATIENT)("edge", "OK", 0.003)
    family = next(f for f in metrics.collect() if f.name == "rpc_server_call_duration_seconds")
    ends = {float(s.labels["le"]) for s in family.samples if s.name.endswith("_bucket")}
    stated = list(objectives(load()))
    assert {o.method.path for o in stated} == set(load().methods)
    assert {o.deadline for o in stated if o.deadline} <= ends
    assert {o.availability for o in stated} <= set(AVAILABILITY.values())
    assert all(WITHIN_DEADLINE[o.method.criticality] == o.within_deadline for o in stated)


def test_a_process_answers_prometheus_and_keeps_its_port(tmp_path: Path) -> None:
    settings = Settings.read({"PLEXUS_HOME": str(tmp_path), "PLEXUS_REPLICA": "records-1"})
    ports = []
    for _ in range(2):
        exposition = Exposition(settings, "records")
        CallMetrics(exposition.registry).recorder(GET_PATIENT)("edge", "OK", 0.003)
        exposition.start()
        ports.append(exposition.port)
        told = read(exposition.port)
        exposition.close()
    assert ports[0] == ports[1]
    assert 'service_instance_id="records-1"' in told
    assert f'rpc_method="{GET_PATIENT}"' in told


def test_who_finds_its_port_taken_answers_at_another(tmp_path: Path) -> None:
    settings = Settings.read({"PLEXUS_HOME": str(tmp_path), "PLEXUS_REPLICA": "records-1"})
    first, second = Exposition(settings, "records"), Exposition(settings, "records")
    first.start()
    second.start()
    assert first.port != second.port
    assert "target_info" in read(second.port)
    first.close()
    second.close()


def read(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        told: bytes = answer.read()
        return told.decode()


RESOURCE = Resource("records", "records-1", "1.0")


def test_otlp_tells_the_same_under_opentelemetrys_names() -> None:
    registry = CollectorRegistry()
    metrics = CallMetrics(registry)
    for seconds in (0.0005, 0.003, 0.004, 1000.0):
        metrics.recorder(GET_PATIENT)("edge", "OK", seconds)
    metrics.retries(GET_PATIENT)()
    (whole,) = request(registry.collect(), RESOURCE, 1, 2).resource_metrics
    told = {metric.name: metric for metric in whole.scope_metrics[0].metrics}
    (point,) = told["rpc.server.call.duration"].histogram.data_points
    assert {a.key for a in point.attributes} == {
        "rpc.method",
        "rpc.caller",
        "rpc.response.status_code",
    }
    assert (point.count, sum(point.bucket_counts)) == (4, 4)
    assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
    assert point.bucket_counts[-1] == 1
    assert point.sum == pytest.approx(1000.0075)
    retries = told["rpc.server.retries"].sum
    assert retries.is_monotonic
    assert [p.as_double for p in retries.data_points] == [1]
    assert {a.key: a.value.string_value for a in whole.resource.attributes} == {
        "service.name": "records",
        "service.instance.id": "records-1",
        "service.version": "1.0",
    }


class Collector(MetricsServiceServicer):
    """Takes reports in."""

    def __init__(self) -> None:
        self.reports: list[service.ExportMetricsServiceRequest] = []
        self.came = threading.Event()

    def Export(
        self, request: service.ExportMetricsServiceRequest, context: grpc.ServicerContext
    ) -> service.ExportMetricsServiceResponse:
        self.reports.append(request)
        self.came.set()
        return service.ExportMetricsServiceResponse()


def test_reports_are_sent_again_and_again_and_at_the_end() -> None:
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(1))
    add_MetricsServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    CallMetrics(registry).recorder(GET_PATIENT)("edge", "OK", 0.003)
    with listening(server) as target:
        sender = Sender(target, RESOURCE, registry, every=0.02)
        assert collector.came.wait(10)
        before = len(collector.reports)
        sender.close()
        assert len(collector.reports) > before


def test_nobody_waits_for_a_receiver_that_is_not_there() -> None:
    sender = Sender("127.0.0.1:1", RESOURCE, CollectorRegistry(), every=0.01)
    sender.close()
