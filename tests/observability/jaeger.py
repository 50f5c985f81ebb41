"""Jaeger's query API, as far as tests ask it, and what a trace from there says."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.observability.http import fetch

_POLL = 0.2
_SETTLED = 1.5
_LONGEST = 30.0
_HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class Span:
    """One span as Jaeger tells it. *parent* is empty at a root; *links* are (trace, span).

    *attributes* are its process's too. The name of an event is its attribute `event`.
    """

    trace_id: str
    span_id: str
    parent: str
    service: str
    name: str
    kind: str
    attributes: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...]
    links: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Whether its status is an error."""
        return self.attributes.get("otel.status_code") == "ERROR"


class Jaeger:
    """A Jaeger whose query API answers at *address*, `host:port`."""

    def __init__(self, address: str, version: str) -> None:
        self.address = address
        self.version = version

    def trace(self, trace_id: str) -> list[Span]:
        """The spans of a trace; none when Jaeger does not know it."""
        answer = fetch(self.address, f"/api/traces/{trace_id}")
        return _spans(answer["data"]) if answer else []

    def settled(
        self, trace_id: str, is_whole: Callable[[Sequence[Span]], bool] = bool
    ) -> list[Span]:
        """The spans of a trace once it is whole and no more come, or after half a minute."""
        found: list[Span] = []
        began = changed = time.monotonic()
        while time.monotonic() - began < _LONGEST:
            now = self.trace(trace_id)
            if len(now) != len(found):
                found, changed = now, time.monotonic()
            if is_whole(found) and time.monotonic() - changed > _SETTLED:
                break
            time.sleep(_POLL)
        return found

    def find(self, service: str, limit: int = 1000, **query: str) -> list[Span]:
        """The spans of the last hour's traces that a service took part in, narrowed by *query*."""
        now = int(time.time() * 1000)
        window = {"start": (now - _HOUR) * 1000, "end": now * 1000}
        found = fetch(self.address, "/api/traces", service=service, limit=limit, **window, **query)
        return _spans(found["data"])

    def services(self) -> list[str]:
        """Every service that ever sent a span."""
        return sorted(fetch(self.address, "/api/services")["data"] or [])

    def dependencies(self) -> set[tuple[str, str]]:
        """Who called whom in the last hour, by Jaeger's own reckoning."""
        now = int(time.time() * 1000)
        drawn = fetch(self.address, "/api/dependencies", endTs=now + 60_000, lookback=_HOUR)
        return {(edge["parent"], edge["child"]) for edge in drawn["data"]}

    def pages(self) -> Any:
        """The configuration that the pages are served with."""
        with urllib.request.urlopen(f"http://{self.address}/", timeout=10) as answer:
            text = answer.read().decode()
        stated, _ = json.JSONDecoder().raw_decode(text.partition("JAEGER_CONFIG = ")[2])
        return stated

    def rate(self, service: str) -> list[Any]:
        """The points of the Monitor tab's request rate, by method; none while there are no data."""
        answer = fetch(
            self.address,
            "/api/metrics/calls",
            service=service,
            groupByOperation="true",
            lookback=_HOUR,
            step=5000,
            ratePer=60_000,
            spanKind="server",
        )
        return [point for metric in answer["metrics"] for point in metric["metricPoints"]]


def _spans(traces: Sequence[Any]) -> list[Span]:
    return [
        _span(span, trace["processes"][span["processID"]])
        for trace in traces
        for span in trace["spans"]
    ]


def _span(told: Any, process: Any) -> Span:
    attributes = {tag["key"]: tag["value"] for tag in (*process["tags"], *told["tags"])}
    parents = [r["spanID"] for r in told["references"] if r["refType"] == "CHILD_OF"]
    others = [(r["traceID"], r["spanID"]) for r in told["references"] if r["refType"] != "CHILD_OF"]
    events = [{field["key"]: field["value"] for field in log["fields"]} for log in told["logs"]]
    return Span(
        trace_id=told["traceID"],
        span_id=told["spanID"],
        parent=parents[0] if parents else "",
        service=process["serviceName"],
        name=told["operationName"].lstrip("/"),
        kind=str(attributes.get("span.kind", "internal")),
        attributes=attributes,
        events=tuple(events),
        links=tuple(others),
        warnings=tuple(told["warnings"] or ()),
    )
