"""What the tests of running systems share: one platform, traced whole, with Jaeger and Prometheus.

Jaeger is fetched or built for it, once; where that cannot be done the tests that need it are skipped,
and the report says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.clinics import open_clinics
from demo.patients import synthesize
from mesh.command.importing import import_file
from mesh.runtime import programs
from mesh.runtime.client import Platform
from mesh.runtime.errors import ProgramMissing
from mesh.topology import EDGE
from observability import tracing
from plexus.scheduling.v1.scheduling_service_pb2_grpc import SchedulingServiceStub
from tests.observability.jaeger import Jaeger
from tests.observability.prometheus import Prometheus
from tests.platform import ROOT, running

REPORT = ROOT / "build" / "observability" / "report.json"

Report = Callable[..., None]


@pytest.fixture(scope="session")
def report() -> Report:
    """Add facts to a section of build/observability/report.json: `report("audit", records=7)`."""

    def add(section: str, **facts: Any) -> None:
        told = json.loads(REPORT.read_text(encoding="utf-8")) if REPORT.exists() else {}
        told.setdefault(section, {}).update(facts)
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    return add


@pytest.fixture(scope="session")
def jaeger_program(report: Report) -> Path | None:
    """Jaeger's binary; None where it cannot be had."""
    return _obtained(programs.JAEGER, report)


@pytest.fixture(scope="session")
def prometheus_program(report: Report) -> Path | None:
    """Prometheus's binary, `promtool` beside it unless it is on the path; None where there is none."""
    return _obtained(programs.PROMETHEUS, report)


@pytest.fixture(scope="session")
def platform(
    tmp_path_factory: pytest.TempPathFactory,
    jaeger_program: Path | None,
    prometheus_program: Path | None,
) -> Iterator[Platform]:
    """The platform of topology.toml, every replica ready and every call recorded.

    This process is the edge and leaves spans as well. Whoever breaks something mends it.
    """
    home = tmp_path_factory.mktemp("observed") / "home"
    with running(
        home, sampling=1.0, jaeger=jaeger_program, prometheus=prometheus_program
    ) as started:
        tracing.configure(EDGE, "tests", f"unix:{started.home.traces_socket}")
        yield started


@pytest.fixture(scope="session")
def jaeger(platform: Platform, jaeger_program: Path | None) -> Jaeger:
    """Jaeger's query API; the test is skipped where there is no Jaeger."""
    if jaeger_program is None:
        pytest.skip("no Jaeger here, and no Go to build it with")
    version = programs.version_of(jaeger_program, programs.JAEGER)
    return Jaeger(platform.observers()["jaeger"], version)


@pytest.fixture(scope="session")
def prometheus(platform: Platform) -> Prometheus:
    """Prometheus, which scrapes the platform; the test is skipped where there is none."""
    if "prometheus" not in platform.observers():
        pytest.skip("no Prometheus here, and none could be had")
    return Prometheus(platform.observers()["prometheus"])


@pytest.fixture(scope="session")
def patients(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Patients whom records knows, in clinics that are open."""
    open_clinics(SchedulingServiceStub(platform.channel("scheduling")), doctors_a_shift=1)
    folder = tmp_path_factory.mktemp("fhir")
    known: list[str] = []
    for number, bundle in enumerate(synthesize(3, seed=3)):
        file = folder / f"{number}.json"
        file.write_text(json.dumps(bundle), encoding="utf-8")
        known += import_file(platform.channel("records"), file, "tests").patient_ids
    return known


def _obtained(program: programs.Program, report: Report) -> Path | None:
    try:
        return programs.obtain(program, print)
    except ProgramMissing as missing:
        report(program.name, missing=missing.cause)
        return None
