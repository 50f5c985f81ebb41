"""The nemesis strikes in the order of its seed, counts what it killed, and leaves nothing frozen."""

from __future__ import annotations

import signal
from collections import Counter
from itertools import islice

import pytest

from mesh.chaos.history.nemesis import (
    FREEZES,
    GAPS_A_KILL,
    Action,
    Nemesis,
    Strike,
    services_of,
    strikes,
)
from plexus.mesh.v1.runtime_service_pb2 import Process

SERVICES = {
    "control-plane": ["control-plane"],
    "records": ["records-1", "records-2"],
    "billing": ["billing-1", "billing-2"],
}


class Processes:
    """Processes that take every signal. What was killed runs again when it is next looked at."""

    def __init__(self, *names: str, down: int = 0) -> None:
        self._names = names
        self._down = down
        self.sent: list[tuple[str, signal.Signals]] = []

    def processes(self) -> list[Process]:
        """All of them; at the first *down* looks none runs."""
        self._down -= 1
        pid = 0 if self._down >= 0 else 1
        return [Process(name=name, pid=pid) for name in self._names]

    def signal(self, target: str, number: signal.Signals) -> None:
        """Note it."""
        self.sent.append((target, number))


def _struck(platform: Processes, *blows: Strike, kills: int) -> Nemesis:
    nemesis = Nemesis(platform, iter(blows), kills=kills, gap=0.0)
    nemesis.start()
    nemesis.join()
    return nemesis


def test_the_same_seed_strikes_the_same() -> None:
    assert list(islice(strikes(5, SERVICES), 300)) == list(islice(strikes(5, SERVICES), 300))
    assert list(islice(strikes(5, SERVICES), 20)) != list(islice(strikes(6, SERVICES), 20))


def test_every_process_is_killed_about_as_often_as_any_other() -> None:
    killed: Counter[str] = Counter()
    for strike in islice(strikes(5, SERVICES), 400):
        if strike.action is Action.KILL and len(strike.targets) == 1:
            killed[strike.targets[0]] += 1
    assert killed.keys() == {name for names in SERVICES.values() for name in names}
    assert max(killed.values()) < 2 * min(killed.values())


@pytest.mark.parametrize("seed", range(20))
def test_a_storm_of_as_many_kills_as_there_are_processes_kills_each(seed: int) -> None:
    everything = {name for names in SERVICES.values() for name in names}
    kills = (blow.targets for blow in strikes(seed, SERVICES) if blow.action is Action.KILL)
    assert {name for (name,) in islice(kills, len(everything))} == everything


def test_a_storm_has_every_kind_of_blow_and_whole_services_go_down() -> None:
    blows = list(islice(strikes(5, SERVICES), 400))
    assert {blow.action for blow in blows} == set(Action)
    assert {blow.targets for blow in blows} >= {tuple(names) for names in SERVICES.values()}
    shortest, longest = FREEZES
    for blow in blows:
        assert (blow.action is Action.FREEZE) == (shortest <= blow.seconds <= longest)


def test_only_what_runs_counts_as_killed() -> None:
    platform = Processes("records-1", "records-2", down=2)
    blows = (Strike(1, Action.KILL, ("records-1",)), Strike(1, Action.KILL, ("records-2",)))
    nemesis = _struck(platform, *blows, kills=2)
    assert nemesis.killed == {"records-1": 1, "records-2": 1}
    assert platform.sent == [("records-1", signal.SIGKILL), ("records-2", signal.SIGKILL)]


def test_what_was_stopped_goes_on_even_when_the_storm_ends_before() -> None:
    platform = Processes("records-1", "billing-1")
    blows = (
        Strike(1, Action.FREEZE, ("billing-1",), seconds=60.0),
        Strike(1, Action.RESTART, ("records-1",)),
        Strike(1, Action.KILL, ("records-1",)),
    )
    nemesis = _struck(platform, *blows, kills=1)
    assert nemesis.kills == 1
    assert nemesis.others == {Action.FREEZE: 1, Action.RESTART: 1}
    assert platform.sent[-1] == ("billing-1", signal.SIGCONT)


def test_processes_are_struck_by_service_and_the_control_plane_on_its_own() -> None:
    processes = [
        Process(name="control-plane"),
        Process(name="records-1", service="records"),
        Process(name="records-2", service="records"),
    ]
    assert services_of(processes, "control-plane") == {
        "control-plane": ["control-plane"],
        "records": ["records-1", "records-2"],
    }


def test_a_storm_takes_about_as_long_as_it_is_planned_to() -> None:
    blows = list(islice(strikes(5, SERVICES), 5_000))
    killed = sum(len(blow.targets) for blow in blows if blow.action is Action.KILL)
    assert sum(blow.after for blow in blows) / killed == pytest.approx(GAPS_A_KILL, rel=0.05)
