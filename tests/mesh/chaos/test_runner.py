"""A run is well before and after, and lifts what it did, whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

import pytest

from mesh.chaos.caller import Caller, CannotPrepare
from mesh.chaos.faults import Fault, NotInjectable
from mesh.chaos.model import Experiment, FaultSpec, Kind, Load, Observation
from mesh.chaos.runner import Runner
from mesh.chaos.samples import Sample, Samples, Variables, parse
from mesh.chaos.steady import Unsteady
from mesh.runtime.client import Platform
from plexus.contract import Contract

SAMPLES: Samples = parse({"methods": {"a.Do": {}}})
FIRST = FaultSpec(Kind.STOP, "a-1", at=0.02, seconds=0.05)
SECOND = FaultSpec(Kind.KILL, "a-2", at=0.04, seconds=10.0)
ONE = Experiment("one", "", 0.15, (Load("a.Do", 100, 2),), (FIRST,))


@dataclass
class Process:
    name: str


class FakePlatform:
    """Says which processes there are."""

    def processes(self) -> list[Process]:
        return [Process("a-1"), Process("a-2")]

    def wait_ready(self, timeout: float) -> None:
        return None


@dataclass
class FakeCaller:
    """Answers with what *outcome* says each time."""

    outcome: Callable[[], str] = lambda: "OK"
    calls: int = 0

    def prepare(self, sample: Sample, chance: Random, see: Any = None) -> Variables:
        return {}

    def play(self, sample: Sample, known: Variables, chance: Random, see: Any) -> None:
        self.calls += 1
        see(Observation(sample.name, 0.0, 0.001, self.outcome()))


@dataclass
class FakeFault:
    """Notes what is done with it."""

    log: list[str]
    name: str
    error: BaseException | None = None
    injected: bool = field(default=False)

    def inject(self) -> None:
        self.log.append(f"inject {self.name}")
        self.injected = True
        if self.error is not None:
            raise self.error

    def lift(self) -> None:
        if self.injected:
            self.injected = False
            self.log.append(f"lift {self.name}")


def runner(
    caller: FakeCaller, log: list[str], errors: dict[str, BaseException] | None = None
) -> Runner:
    def build(spec: FaultSpec, platform: Platform, chance: Random) -> Fault:
        error = (errors or {}).get(spec.target)
        return FakeFault(log, spec.target, error)

    return Runner(
        cast("Platform", FakePlatform()),
        cast("Caller", caller),
        SAMPLES,
        cast("Contract", None),
        build=build,
    )


def experiment(*faults: FaultSpec) -> Experiment:
    return Experiment("one", "", 0.15, (Load("a.Do", 100, 2),), faults)


def test_a_fault_is_injected_and_lifted_in_time() -> None:
    log: list[str] = []
    verdict = runner(FakeCaller(), log).run(ONE)
    assert log == ["inject a-1", "lift a-1"]
    assert verdict.seen is not None
    happened = verdict.seen.happenings[0]
    assert happened.ended - happened.began >= FIRST.seconds


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyboardInterrupt()])
def test_everything_is_lifted_when_a_later_fault_goes_wrong(error: BaseException) -> None:
    log: list[str] = []
    late = FaultSpec(Kind.STOP, "a-1", at=0.0, seconds=10.0)
    with pytest.raises(type(error)):
        runner(FakeCaller(), log, {"a-2": error}).run(experiment(late, SECOND))
    assert log == ["inject a-1", "inject a-2", "lift a-2", "lift a-1"]


def test_a_fault_that_cannot_be_made_here_is_told_and_what_was_done_is_lifted() -> None:
    log: list[str] = []
    late = FaultSpec(Kind.STOP, "a-1", at=0.0, seconds=10.0)
    verdict = runner(FakeCaller(), log, {"a-2": NotInjectable("no right")}).run(
        experiment(late, SECOND)
    )
    assert verdict.skipped == "no right"
    assert log[-1] == "lift a-1"


def test_a_platform_that_is_not_well_before_is_not_touched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mesh.chaos.runner._WELL_BEFORE", 0.0)
    log: list[str] = []
    with pytest.raises(Unsteady):
        runner(FakeCaller(lambda: "UNAVAILABLE"), log).run(ONE)
    assert log == []


def test_a_platform_that_does_not_become_well_again_ends_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mesh.chaos.runner._WELL_AFTER", 0.0)
    log: list[str] = []
    caller = FakeCaller(lambda: "UNAVAILABLE" if log else "OK")
    with pytest.raises(Unsteady):
        runner(caller, log).run(ONE)
    assert log == ["inject a-1", "lift a-1"]


def test_a_fault_of_the_run_itself_is_not_taken_for_one_of_the_platform() -> None:
    log: list[str] = []

    def broken() -> str:
        if log:
            raise CannotPrepare("a bug of the samples")
        return "OK"

    with pytest.raises(CannotPrepare):
        runner(FakeCaller(broken), log).run(ONE)
    assert log == ["inject a-1", "lift a-1"]
