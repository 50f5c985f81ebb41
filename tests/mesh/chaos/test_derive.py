"""What follows from a contract when something is taken away."""

from __future__ import annotations

import pytest

from mesh.chaos import derive
from mesh.chaos.derive import Edge, Loss, Way
from mesh.chaos.model import Effect, Kind
from mesh.chaos.samples import parse
from plexus.contract import Need
from tests.mesh.chaos.contracts import contract

NEEDS, CAN_DO_WITHOUT = Need.REQUIRED, Need.OPTIONAL
WORKS, DEGRADED, FAILS = Effect.WORKS, Effect.DEGRADED, Effect.FAILS

# front → middle → back, each a service, and one that stands apart.
CHAIN = contract(
    {
        "front.Show": {"middle.Ask": NEEDS},
        "front.Glance": {"middle.Ask": CAN_DO_WITHOUT},
        "front.Idle": {},
        "middle.Ask": {"back.Get": NEEDS},
        "middle.Guess": {"back.Get": CAN_DO_WITHOUT},
        "back.Get": {},
        "back.List": {},
        "apart.Do": {},
    },
    {"apart.follow": ("middle.Ask", {"back.List": CAN_DO_WITHOUT})},
)


@pytest.mark.parametrize(
    ("where", "method", "effect", "lacks"),
    [
        ("back", "back.Get", FAILS, ()),
        ("back", "middle.Ask", FAILS, ()),
        ("back", "middle.Guess", DEGRADED, ("back.Get",)),
        ("back", "front.Show", FAILS, ()),
        ("back", "front.Glance", DEGRADED, ("middle.Ask",)),
        ("back", "front.Idle", WORKS, ()),
        ("back", "apart.Do", WORKS, ()),
        ("back.List", "back.Get", WORKS, ()),
        ("back.List", "middle.Ask", WORKS, ()),
        ("back.Get", "middle.Ask", FAILS, ()),
        ("middle", "back.Get", WORKS, ()),
        ("middle.Guess", "front.Show", WORKS, ()),
        ("front", "middle.Ask", WORKS, ()),
    ],
)
def test_a_method_fails_degrades_or_works_as_its_calls_say(
    where: str, method: str, effect: Effect, lacks: tuple[str, ...]
) -> None:
    found = derive.of_method(CHAIN, CHAIN.find(method), derive.gone(CHAIN, where))
    assert (found.effect, found.lacks) == (effect, frozenset(lacks))


def test_only_a_call_that_is_itself_taken_away_is_tested_by_a_loss() -> None:
    lost = derive.gone(CHAIN, "back")
    edges = {
        m: derive.of_method(CHAIN, CHAIN.find(m), lost).edges for m in ("middle.Ask", "front.Show")
    }
    assert edges == {"middle.Ask": {"back.Get"}, "front.Show": frozenset()}


def test_every_declared_call_is_an_edge_those_of_tasks_and_their_feeds_too() -> None:
    assert derive.edges(CHAIN) == {
        Edge("front.Show", "middle.Ask"),
        Edge("front.Glance", "middle.Ask"),
        Edge("middle.Ask", "back.Get"),
        Edge("middle.Guess", "back.Get"),
        Edge("apart.follow", "middle.Ask"),
        Edge("apart.follow", "back.List"),
    }


def test_services_are_killed_and_hung_and_callees_are_slow_and_fail() -> None:
    found = derive.losses(CHAIN)
    assert {loss.where for loss in found if loss.way in (Way.KILL, Way.HANG)} == {
        "front",
        "middle",
        "back",
        "apart",
    }
    for callee in ("middle.Ask", "back.Get", "back.List"):
        assert {Loss(Way.SLOW, callee), Loss(Way.FAIL, callee)} <= set(found)
    assert Loss(Way.SLOW, "front.Show") not in found


SAMPLES = parse(
    {
        "methods": {name: {} for name in ("front.Show", "front.Idle", "back.Get", "apart.Do")},
        "journeys": {"walk": {"steps": [{"call": "front.Glance"}, {"call": "apart.Do"}]}},
        "tasks": {"apart.follow": {"make": [], "done": []}},
    }
)


@pytest.mark.parametrize(
    ("where", "journey", "task"),
    [
        ("back", DEGRADED, Effect.CATCHES_UP),
        ("front", FAILS, None),
        ("apart", FAILS, Effect.CATCHES_UP),
        ("back.Get", DEGRADED, None),
    ],
)
def test_a_journey_is_as_well_as_its_steps_and_a_task_makes_up_for_what_it_missed(
    where: str, journey: Effect, task: Effect | None
) -> None:
    lost = derive.gone(CHAIN, where)
    found = {each.method: each.effect for each in derive.expect(CHAIN, lost, SAMPLES, dead=where)}
    assert found["walk"] is journey
    assert found.get("apart.follow") is task


def test_a_slow_callee_takes_three_times_its_deadline() -> None:
    found = {each.name: each for each in derive.experiments(CHAIN, SAMPLES, seed=7)}
    fault = found["slow-back.Get"].faults[0]
    deadline = CHAIN.find("back.Get").deadline
    assert (fault.kind, fault.parameters["delay_ms"]) == (Kind.SLOW, 3000 * deadline)


def test_every_experiment_calls_everything_and_carries_the_seed() -> None:
    for each in derive.experiments(CHAIN, SAMPLES, seed=7):
        assert {load.method for load in each.workload} == set(SAMPLES.all)
        assert each.seed == 7
