"""A Prometheus of a test's own: the committed configuration and rules, once a second."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from mesh.runtime.ports import free_addresses
from tests.observability.http import fetch
from tests.platform import ROOT

CONFIGURATION = ROOT / "observability" / "prometheus"
RULES = CONFIGURATION / "rules"

_BIRTH = 30.0
_POLL = 0.1
_STEP = 1


@dataclass(frozen=True, slots=True)
class Scraper:
    """A Prometheus that answers at *address*."""

    address: str

    def now(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now; AssertionError when it is none."""
        answer = fetch(self.address, "/api/v1/query", query=expression)
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def since(self, expression: str, began: float) -> list[list[float]]:
        """The numbers that an expression has given since *began*, in Unix seconds, by series.

        A series that never was a number, such as a share of nothing, is left out.
        """
        answer = fetch(
            self.address,
            "/api/v1/query_range",
            query=expression,
            start=f"{began:.3f}",
            end=f"{time.time():.3f}",
            step=_STEP,
        )
        series = ([float(v) for _, v in found["values"]] for found in answer["data"]["result"])
        numbers = ([value for value in values if isfinite(value)] for values in series)
        return [values for values in numbers if values]

    def rules(self) -> list[dict[str, Any]]:
        """Every rule, with `type`, `name`, `health`, `lastError`, and of an alert its `state`."""
        groups = fetch(self.address, "/api/v1/rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def firing(self, name: str, **labels: str) -> bool:
        """Whether an alert of this name and with these labels fires."""
        alerts = fetch(self.address, "/api/v1/alerts")["data"]["alerts"]
        wanted = {"alertname": name, **labels}.items()
        return any(
            alert["state"] == "firing" and wanted <= alert["labels"].items() for alert in alerts
        )

    def names(self) -> set[str]:
        """The names of all series there are."""
        return set(fetch(self.address, "/api/v1/label/__name__/values")["data"])


@contextmanager
def scraping(program: Path, targets: Path, folder: Path) -> Iterator[Scraper]:
    """Scrape what the file *targets* lists, once a second, for as long as the block lasts."""
    folder.mkdir()
    config = folder / "prometheus.yml"
    stated = (CONFIGURATION / config.name).read_text(encoding="utf-8")
    quick = re.sub(
        r"(scrape_interval|scrape_timeout|evaluation_interval|refresh_interval): \S+",
        r"\1: 1s",
        stated,
    )
    config.write_text(quick, encoding="utf-8")
    (folder / "targets.json").symlink_to(targets)
    (folder / "rules").symlink_to(RULES)
    (folder / "jaeger.json").write_text("[]", encoding="utf-8")
    (address,) = free_addresses(1)
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [
            str(program),
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
            "--log.level=warn",
        ],
        stdout=log,
        stderr=log,
    )
    try:
        _await(address, process, folder / "log")
        yield Scraper(address)
    finally:
        process.terminate()
        process.wait(_BIRTH)
        log.close()


def _await(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _BIRTH
    while True:
        try:
            fetch(address, "/api/v1/status/runtimeinfo")
            return
        except (OSError, AssertionError):
            # It is not there, or says (503) that it is not ready.
            told = log.read_text(encoding="utf-8", errors="replace")[-500:]
            assert process.poll() is None, told
            assert time.monotonic() < deadline, told
            time.sleep(_POLL)


def promtool(program: Path) -> Path:
    """Prometheus's own checker, which comes with it."""
    return program.with_name("promtool")


def chosen(query: str, variables: Mapping[str, str]) -> str:
    """A dashboard's query as Grafana sends it: *variables* by name, without their `$`."""
    for name, value in variables.items():
        query = query.replace(f"${name}", value)
    assert "$" not in query, f"not chosen: {query}"
    return query
