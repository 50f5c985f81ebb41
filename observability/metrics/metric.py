"""What a metric is: a name, a kind, a unit, attributes, and what it means.

Names and attributes are OpenTelemetry's, from its semantic conventions where they have one. What
Prometheus gets is the same in its own spelling, by OpenTelemetry's rules for that ("Prometheus and
OpenMetrics Compatibility"): dots become underscores, a unit of time becomes `_seconds`, and a counter
ends in `_total`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily


class Kind(StrEnum):
    """How a metric moves."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


_FAMILIES: dict[Kind, type[Any]] = {
    Kind.COUNTER: CounterMetricFamily,
    Kind.GAUGE: GaugeMetricFamily,
    Kind.HISTOGRAM: HistogramMetricFamily,
}


class Resource(NamedTuple):
    """What metrics are of: a process of a service."""

    service: str
    instance: str
    version: str


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. *unit* is `s`, or what is counted, such as `{call}`."""

    name: str
    kind: Kind
    unit: str
    meaning: str
    attributes: tuple[str, ...] = ()

    @property
    def base(self) -> str:
        """The name in Prometheus without what its kind appends."""
        return spelled(self.name) + ("_seconds" if self.unit == "s" else "")

    @property
    def exposed(self) -> str:
        """The name of its series in Prometheus; of a histogram, what they begin with."""
        return self.base + ("_total" if self.kind is Kind.COUNTER else "")

    @property
    def labels(self) -> tuple[str, ...]:
        """Its attributes as Prometheus spells them."""
        return tuple(map(spelled, self.attributes))

    def family(self) -> Any:
        """A family of prometheus_client's to add values to: `add_metric(labels, …)`."""
        return _FAMILIES[self.kind](self.base, self.meaning, labels=self.labels)

    def one(self, value: float) -> Any:
        """The family of a metric without attributes, with its one value."""
        family = self.family()
        family.add_metric((), value)
        return family


def spelled(name: str) -> str:
    """A name as Prometheus spells it."""
    return name.replace(".", "_")
