"""Numbers for operators: what they are called, where they come from, how they leave the process.

A call only ever adds to numbers of its own process; everything else happens when somebody asks, over
Prometheus's endpoint of each process (`endpoint`) or OTLP (`otlp`).
"""

from observability.metrics.answered import CallMetrics, Count
from observability.metrics.calls_out import calls_out
from observability.metrics.collecting import Collect, Collecting, register
from observability.metrics.door import AdmissionMetrics, Door
from observability.metrics.endpoint import Endpoint
from observability.metrics.metric import Kind, Metric

__all__ = [
    "AdmissionMetrics",
    "CallMetrics",
    "Collect",
    "Collecting",
    "Count",
    "Door",
    "Endpoint",
    "Kind",
    "Metric",
    "calls_out",
    "register",
]
