"""The same metrics by OTLP, for who would rather be told than ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as otlp
from prometheus_client import CollectorRegistry

from observability.metrics import definitions
from observability.metrics.metric import Resource

EVERY: Final = 10.0
"""Seconds between two reports."""

_PATIENCE: Final = 2.0
_SCOPE: Final = "plexus"
_CUMULATIVE: Final = otlp.AGGREGATION_TEMPORALITY_CUMULATIVE


class Sender:
    """Sends what *registry* holds to *target*, a gRPC target, again and again in a daemon thread.

    A target that is gone costs nothing but its reports: numbers are sums, and the next one has all.
    """

    def __init__(
        self, target: str, resource: Resource, registry: CollectorRegistry, every: float = EVERY
    ) -> None:
        self._resource = resource
        self._registry = registry
        self._every = every
        self._began = time.time_ns()
        self._channel = grpc.insecure_channel(target, options=(("grpc.enable_http_proxy", 0),))
        self._stub = MetricsServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp-metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send a last report, for at most two seconds, and be done."""
        self._closed.set()
        self._thread.join(_PATIENCE)
        self._channel.close()

    def _run(self) -> None:
        while not self._closed.wait(self._every):
            self._send()
        self._send()

    def _send(self) -> None:
        report = request(self._registry.collect(), self._resource, self._began, time.time_ns())
        try:
            self._stub.Export(report, timeout=_PATIENCE)
        except (grpc.RpcError, ValueError):
            # ValueError is what a closed channel raises. Whoever waits for these numbers misses them
            # there: here they are still to be had.
            return


def request(
    families: Iterable[Any], resource: Resource, began: int, now: int
) -> ExportMetricsServiceRequest:
    """*families* of prometheus_client's as OTLP has them. Times are in Unix nanoseconds."""
    made = ExportMetricsServiceRequest()
    whole = made.resource_metrics.add()
    whole.resource.attributes.extend(
        _attributes(
            {
                "service.name": resource.service,
                "service.instance.id": resource.instance,
                "service.version": resource.version,
            }
        )
    )
    scope = whole.scope_metrics.add()
    scope.scope.name = _SCOPE
    scope.metrics.extend(
        _metric(family, began, now)
        for family in families
        # What the target is, the resource says.
        if family.samples and family.name != definitions.TARGET.base
    )
    return made


def _metric(family: Any, began: int, now: int) -> otlp.Metric:
    stated = definitions.BY_BASE.get(family.name)
    metric = otlp.Metric(
        name=stated.name if stated else family.name,
        unit=stated.unit if stated else "",
        description=stated.meaning if stated else family.documentation,
    )
    spelling = dict(zip(stated.labels, stated.attributes, strict=True)) if stated else {}
    if family.type == "histogram":
        metric.histogram.aggregation_temporality = _CUMULATIVE
        metric.histogram.data_points.extend(_histograms(family, spelling, began, now))
        return metric
    points = [
        otlp.NumberDataPoint(
            attributes=_attributes(sample.labels, spelling),
            start_time_unix_nano=began if family.type == "counter" else 0,
            time_unix_nano=now,
            as_double=sample.value,
        )
        for sample in family.samples
        if not sample.name.endswith("_created")
    ]
    if family.type == "counter":
        metric.sum.is_monotonic = True
        metric.sum.aggregation_temporality = _CUMULATIVE
        metric.sum.data_points.extend(points)
    else:
        metric.gauge.data_points.extend(points)
    return metric


def _histograms(
    family: Any, spelling: Mapping[str, str], began: int, now: int
) -> Iterator[otlp.HistogramDataPoint]:
    found: dict[tuple[tuple[str, str], ...], otlp.HistogramDataPoint] = {}
    for sample in family.samples:
        labels = {name: value for name, value in sample.labels.items() if name != "le"}
        point = found.setdefault(
            tuple(labels.items()),
            otlp.HistogramDataPoint(
                attributes=_attributes(labels, spelling),
                start_time_unix_nano=began,
                time_unix_nano=now,
            ),
        )
        if sample.name.endswith("_bucket"):
            if (bound := sample.labels["le"]) != "+Inf":
                point.explicit_bounds.append(float(bound))
            # OTLP counts what lies between two bounds, Prometheus all below one.
            point.bucket_counts.append(round(sample.value) - point.count)
            point.count = round(sample.value)
        elif sample.name.endswith("_sum"):
            point.sum = sample.value
    yield from found.values()


def _attributes(
    labels: Mapping[str, str], spelling: Mapping[str, str] | None = None
) -> Iterator[KeyValue]:
    for name, value in labels.items():
        attribute = KeyValue(key=(spelling or {}).get(name, name))
        attribute.value.string_value = value
        yield attribute
