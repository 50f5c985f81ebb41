"""A real platform for tests: every process of it, in a state folder of its own, gone afterwards.

    from tests.platform import platform

    def test_…(platform: Platform) -> None: ...

A test process can be in one mesh only, so there is one platform for a whole run of tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mesh.runtime.client import Platform
from mesh.runtime.errors import Mistake

ROOT = Path(__file__).parents[1]


@contextmanager
def running(
    home: Path,
    *,
    replicas: int | None = None,
    topology: Path = ROOT / "topology.toml",
    timeout: float = 60.0,
    jaeger: Path | None = None,
    prometheus: Path | None = None,
    sampling: float = 0.0,
) -> Iterator[Platform]:
    """A platform that is up in *home*, and down afterwards, by force if need be.

    *sampling* is the share of this process's own calls that are traced.
    """
    with Platform(home, subject="tests", sampling=sampling) as started:
        try:
            started.up(
                replicas=replicas,
                topology=topology,
                timeout=timeout,
                jaeger=jaeger,
                prometheus=prometheus,
            )
            yield started
        finally:
            end(started)


def end(platform: Platform) -> None:
    """Leave nothing running, whatever happened."""
    try:
        platform.down()
    except Mistake:
        with suppress(Mistake):
            platform.down(force=True)


def plexus(
    *arguments: str, home: Path, stdin: str = "", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `plexus` as a process of its own, as a person would."""
    return subprocess.run(
        [sys.executable, "-m", "mesh.command", *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "clients/python"))),
            "PLEXUS_HOME": str(home),
            **(environment or {}),
        },
        input=stdin,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform of topology.toml, every replica ready."""
    with running(tmp_path_factory.mktemp("platform") / "home") as started:
        yield started
