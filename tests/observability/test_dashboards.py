"""Alerts and dashboards in a real Prometheus, which scrapes a platform that is used and broken."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from mesh.runtime.client import Platform
from observability.metrics import Kind
from observability.metrics.definitions import BY_BASE
from plexus.contract import load
from plexus.errors import PlexusError
from tests.observability.conftest import Report
from tests.observability.journey import travel
from tests.observability.scraper import RULES, Scraper, chosen, promtool, scraping
from tests.platform import ROOT, plexus
from tools.observatory.grafana import queries

pytestmark = pytest.mark.timeout(300)

DASHBOARDS = ROOT / "observability" / "dashboards"
PLAYBOOKS = ROOT / "docs" / "playbooks"
CASES = Path(__file__).parent / "rules"

_INTERVAL = "10s"
_PATIENCE = 90.0
_LOAD = 4
_NAME = re.compile(r"\b(?:rpc|mesh|db|otel|process)_\w+")
_OWN = ("rpc_", "mesh_", "db_", "otel_", "target_")


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"in vain waited until {what}"
        time.sleep(0.2)


@contextmanager
def used(platform: Platform, patients: list[str]) -> Iterator[None]:
    """Journeys, some at a time, for as long as the block lasts. What fails is what is to be seen."""
    over = threading.Event()

    def play(number: int) -> None:
        while not over.is_set():
            with suppress(PlexusError, AssertionError, IndexError):
                travel(platform, patients[number % len(patients)])
            over.wait(0.2)

    threads = [threading.Thread(target=play, args=(n,), daemon=True) for n in range(_LOAD)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(_PATIENCE)


class Seen:
    """A Prometheus that has seen the platform well, broken, and well again, since *began*."""

    def __init__(self, scraper: Scraper, began: float) -> None:
        self.scraper = scraper
        self.began = began


@pytest.fixture(scope="module")
def seen(
    platform: Platform,
    patients: list[str],
    prometheus_program: Path | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Seen]:
    """Play journeys, hang a replica of scheduling, kill records until somebody is alerted, and mend it."""
    if prometheus_program is None:
        pytest.skip("no Prometheus here, and none could be had")
    targets = platform.home.path / "prometheus" / "targets.json"
    folder = tmp_path_factory.mktemp("scraped") / "prometheus"
    with scraping(prometheus_program, targets, folder) as scraper:
        began = time.time()
        until(lambda: _up(scraper) >= 10, "everything is scraped")
        with used(platform, patients):
            until(lambda: _answered(scraper) > 40, "calls are answered")
            _hang(platform, scraper)
            _kill(platform, scraper)
            until(lambda: _answered(scraper, "records") > 0, "records answers again")
        yield Seen(scraper, began)


def _up(scraper: Scraper) -> int:
    return sum(series["value"][1] == "1" for series in scraper.now("up"))


def _answered(scraper: Scraper, job: str = ".+") -> float:
    name = "rpc_server_call_duration_seconds_count"
    found = scraper.now(f'sum(increase({name}{{job=~"{job}"}}[10s]))')
    return float(found[0]["value"][1]) if found else 0.0


def _hang(platform: Platform, scraper: Scraper) -> None:
    platform.signal("scheduling-1", signal.SIGSTOP)
    try:
        until(
            lambda: bool(scraper.now("sum(rpc_client_hedges_total) > 0")), "somebody asks another"
        )
    finally:
        platform.signal("scheduling-1", signal.SIGCONT)


def _kill(platform: Platform, scraper: Scraper) -> None:
    platform.signal("records", signal.SIGKILL, hold_down=True)
    try:
        until(
            lambda: scraper.firing("ServiceDown", mesh_service="records", severity="page"),
            "somebody is alerted that records is down",
        )
    finally:
        platform.scale("records", 2)
        platform.wait_ready(["records"], timeout=60)


def test_a_dead_service_is_seen_and_the_alert_ends_with_its_return(seen: Seen) -> None:
    until(
        lambda: not seen.scraper.firing("ServiceDown", mesh_service="records"),
        "the alert is over",
    )
    for what in (
        'rpc_client_breaker_state{rpc_breaker_state="open", rpc_method=~".*RecordsService.*"} == 1',
        "rpc_client_breaker_refusals_total > 0",
        "rpc_server_degradations_total > 0",
        "rpc_client_hedges_won_total > 0",
        'mesh_processes{mesh_service="records", mesh_process_state="held_down"} == 2',
        'mesh_endpoints{mesh_service="records", mesh_replica_state="ready"} == 0',
    ):
        assert seen.scraper.since(what, seen.began), what


def test_every_metric_that_is_defined_is_exposed_and_the_other_way_round(seen: Seen) -> None:
    names = seen.scraper.names()
    defined = {
        metric.exposed + ("_bucket" if metric.kind is Kind.HISTOGRAM else "")
        for metric in BY_BASE.values()
    }
    assert not defined - names, "defined, and nobody exposes it"
    known = {*defined, *(m.exposed + end for m in BY_BASE.values() for end in ("_count", "_sum"))}
    exposed = {name for name in names if name.startswith(_OWN) and ":" not in name}
    assert not exposed - known, "exposed, and not defined"


def test_every_query_of_every_dashboard_returns_data(seen: Seen, report: Report) -> None:
    empty: list[str] = []
    count = 0
    for file in sorted(DASHBOARDS.glob("*.json")):
        model = json.loads(file.read_text(encoding="utf-8"))
        for query in queries(model):
            count += 1
            if not _has_data(query, model, seen):
                empty.append(f"{file.name}: {query}")
    report("dashboards", queries=count, with_data=count - len(empty))
    assert count
    assert not empty, "\n".join(empty)


def _has_data(query: str, model: Any, seen: Seen) -> bool:
    """Whether it has any for one of the services that may be chosen: not every service calls others."""
    choices = [
        variable["query"].split(",")
        for variable in model["templating"]["list"]
        if variable["name"] == "service"
    ]
    for service in choices[0] if choices else [""]:
        given = {"__rate_interval": _INTERVAL, "service": service}
        if seen.scraper.since(chosen(query, given), seen.began):
            return True
    return False


def test_every_alert_can_be_evaluated_and_has_a_playbook(seen: Seen, report: Report) -> None:
    rules = seen.scraper.rules()
    assert not [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"]
    alerts = [rule for rule in rules if rule["type"] == "alerting"]
    objectives = {
        (rule["name"], rule["labels"].get("rpc_method"))
        for rule in alerts
        if rule["name"] == "MethodFailing"
    }
    assert objectives == {("MethodFailing", path) for path in load().methods}
    playbooks = {rule["annotations"]["runbook_url"] for rule in alerts}
    assert all((ROOT / playbook).is_file() for playbook in playbooks)
    report("alerts", rules=len(alerts), playbooks=len(playbooks))


def test_what_a_playbook_asks_of_prometheus_can_be_asked(seen: Seen) -> None:
    labels = {label for metric in BY_BASE.values() for label in metric.labels}
    known = seen.scraper.names() | labels
    asked = [span for span in spans() if _NAME.search(span)]
    assert asked
    for span in asked:
        assert set(_NAME.findall(span)) <= known, span
        # Whatever the reader is to put in.
        seen.scraper.now(re.sub(r'="(?:…|<\w+>)"', '=~".+"', span))


def test_what_a_playbook_says_to_type_can_be_typed(seen: Seen, platform: Platform) -> None:
    told = plexus("traces", "--service", "scheduling", home=platform.home.path)
    (trace_id, *_) = re.findall(r"\b[0-9a-f]{32}\b", told.stdout)
    meant = {
        **dict.fromkeys(("service", "job", "callee"), "scheduling"),
        **dict.fromkeys(("replica", "instance", "process"), "billing-2"),
        "Method": "BookAppointment",
        "n": "2",
        "id": trace_id,
    }
    typed = {
        re.sub(r"<(\w+)>", lambda found: meant[found[1]], span)
        for span in spans()
        if span.startswith("plexus ")
    }
    assert typed
    # What looks comes before what breaks.
    for line in sorted(typed, key=lambda line: line.split()[1] in ("kill", "scale")):
        done = plexus(*line.split()[1:], home=platform.home.path)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    platform.wait_ready(timeout=60)


def spans() -> Iterator[str]:
    """Everything that a playbook sets as code."""
    for page in sorted(PLAYBOOKS.glob("*.md")):
        for span in re.findall(r"`([^`]+)`", page.read_text(encoding="utf-8")):
            yield " ".join(span.split())


def test_prometheus_finds_nothing_wrong_with_rules_and_configuration(
    prometheus_program: Path | None,
) -> None:
    _check(prometheus_program, "check", "rules", *map(str, sorted(RULES.glob("*.yaml"))))
    _check(prometheus_program, "check", "config", str(RULES.parent / "prometheus.yml"))


@pytest.mark.parametrize("case", sorted(CASES.glob("*.yaml")), ids=lambda case: case.stem)
def test_an_alert_fires_when_it_should_and_only_then(
    prometheus_program: Path | None, case: Path
) -> None:
    _check(prometheus_program, "test", "rules", str(case))


def _check(program: Path | None, *arguments: str) -> None:
    if program is None:
        pytest.skip("no Prometheus here, and none could be had")
    done = subprocess.run(
        [str(promtool(program)), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
