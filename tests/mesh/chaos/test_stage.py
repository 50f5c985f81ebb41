"""Chaos touches nothing that it did not start, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from random import Random

import pytest

from mesh.chaos import faults, stage
from mesh.chaos.model import FaultSpec, Kind
from mesh.chaos.stage import NotOurs, assert_ours, forget_platform, mark, private_platform
from mesh.runtime.client import Platform
from mesh.runtime.home import Home


def test_no_fault_is_made_for_a_platform_that_somebody_else_started(tmp_path: Path) -> None:
    theirs = Platform(tmp_path / "theirs")
    theirs.home.make()
    for kind in Kind:
        with pytest.raises(NotOurs):
            faults.build(FaultSpec(kind, "records"), theirs, Random(1))


def test_the_mark_of_another_run_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home.at(tmp_path)
    mark(home)
    assert_ours(home)
    monkeypatch.setattr(stage, "_NONCE", "another process")
    with pytest.raises(NotOurs):
        assert_ours(home)


def test_a_folder_in_which_a_platform_runs_is_not_marked(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.make()
    held = home.lock()
    assert held is not None
    try:
        with pytest.raises(NotOurs):
            mark(home)
    finally:
        os.close(held)


def test_nothing_in_the_environment_leads_to_a_platform_of_the_user() -> None:
    environ = {
        "PLEXUS_HOME": "/somewhere",
        "PLEXUS_DATABASE_URL": "postgresql://…",
        "GRPC_XDS_BOOTSTRAP_CONFIG": "{}",
        "PATH": "/bin",
    }
    forget_platform(environ)
    assert environ == {"PATH": "/bin", "PLEXUS_CHAOS": "1"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_a_run_in_order(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("PLEXUS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PLEXUS_CHAOS", "")
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), private_platform():
        signal.raise_signal(number)
    assert signal.getsignal(number) is before
