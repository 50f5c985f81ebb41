"""Jaeger next to the platform, and Prometheus where there is one. The platform needs neither."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import observability
from mesh.runtime.home import Home
from mesh.runtime.ports import free_addresses, free_from

JAEGER = "jaeger"
PROMETHEUS = "prometheus"
NAMES = frozenset({JAEGER, PROMETHEUS})

# Where people look for them first.
_UI_PORT = 16686
_PROMETHEUS_PORT = 9090
_MODULE = "mesh.runtime.outsider"
_CONFIGURATION = Path(observability.__file__).parent


@dataclass(frozen=True, slots=True)
class Observer:
    """One of the two: its command line, and what is added to its environment."""

    name: str
    module: str
    arguments: tuple[str, ...]
    environment: dict[str, str]


@dataclass(frozen=True, slots=True)
class Observers:
    """Both, and where they listen, as `host:port`.

    *ui* serves Jaeger's pages and its query API, *spans* takes OTLP. *metrics* is Prometheus.
    *counts* and *own* are what Prometheus scrapes of Jaeger: what it counts in the spans, and how
    it fares itself.
    """

    jaeger: Path
    prometheus: Path | None
    ui: str
    query: str
    spans: str
    counts: str
    own: str
    metrics: str

    @property
    def prometheus_address(self) -> str:
        """Where Prometheus answers; empty when there is none."""
        return self.metrics if self.prometheus else ""

    @classmethod
    def at_free_ports(cls, jaeger: Path, prometheus: Path | None) -> Observers:
        """At the ports where people expect them, or else the next that are free."""
        query, spans, counts, own = free_addresses(4)
        ui, metrics = free_from(_UI_PORT), free_from(_PROMETHEUS_PORT)
        return cls(jaeger, prometheus, ui, query, spans, counts, own, metrics)

    def prepare(self, home: Home) -> Sequence[Observer]:
        """Write their configuration into the state folder; what is to run."""
        folder = home.path / JAEGER
        folder.mkdir(mode=0o700, exist_ok=True)
        pages = folder / "ui.json"
        pages.write_text(json.dumps(self._pages(), indent=1), encoding="utf-8")
        told = {
            "PLEXUS_JAEGER_UI": self.ui,
            "PLEXUS_JAEGER_QUERY": self.query,
            "PLEXUS_JAEGER_OTLP": self.spans,
            "PLEXUS_JAEGER_SPAN_METRICS": self.counts,
            "PLEXUS_JAEGER_OWN_METRICS_PORT": self.own.rpartition(":")[2],
            "PLEXUS_JAEGER_UI_CONFIG": str(pages),
            "PLEXUS_PROMETHEUS_URL": f"http://{self.metrics}",
            # Beyond this Go's collector works harder; the configuration's limit refuses spans.
            "GOMEMLIMIT": "640MiB",
        }
        line = (str(self.jaeger), "--config", str(_CONFIGURATION / JAEGER / "jaeger.yaml"))
        jaeger = Observer(JAEGER, _MODULE, line, told)
        return [jaeger] if self.prometheus is None else [jaeger, self._scraper(home)]

    def _scraper(self, home: Home) -> Observer:
        folder = home.path / PROMETHEUS
        folder.mkdir(mode=0o700, exist_ok=True)
        source = _CONFIGURATION / PROMETHEUS
        shutil.copyfile(source / "prometheus.yml", folder / "prometheus.yml")
        rules = folder / "rules"
        rules.mkdir(exist_ok=True)
        for stated in sorted((source / "rules").glob("*.yaml")):
            shutil.copyfile(stated, rules / stated.name)
        scraped = [{"targets": [self.counts, self.own], "labels": {"service": JAEGER}}]
        (folder / "jaeger.json").write_text(json.dumps(scraped), encoding="utf-8")
        line = (
            str(self.prometheus),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--storage.tsdb.retention.time=2d",
            "--storage.tsdb.retention.size=512MB",
            f"--web.listen-address={self.metrics}",
            "--log.level=warn",
        )
        return Observer(PROMETHEUS, _MODULE, line, {})

    def _pages(self) -> Any:
        """The pages' configuration, its links leading to this Prometheus."""
        text = (_CONFIGURATION / JAEGER / "ui.json").read_text(encoding="utf-8")
        return json.loads(text.replace("http://127.0.0.1:9090", f"http://{self.metrics}"))
