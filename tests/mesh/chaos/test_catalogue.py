"""Experiments as they are written, and when their faults come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mesh.chaos import catalogue, samples
from mesh.chaos.model import Effect, Kind
from plexus.contract import load

FOLDER = Path(__file__).parents[2] / "chaos"
CONTRACT = load()
SAMPLES = samples.load(FOLDER / catalogue.SAMPLES, CONTRACT)
PROCESSES = ("records-1", "records-2", "billing-1", "billing-2", "control-plane")

TOLD: dict[str, Any] = {
    "about": "records is killed",
    "seconds": 5,
    "row": {"where": "records", "fails": ["records.*"]},
    "workload": [{"methods": ["records.Get*", "book"], "rate": 30, "clients": 6}],
    "faults": [{"kind": "kill", "target": "records-*", "at": 1, "seconds": 2, "jitter": 1}],
    "holds": [{"measure": "failed", "at_most": 0}],
}


def test_what_is_written_here_can_all_be_read() -> None:
    found = catalogue.experiments(FOLDER, CONTRACT, SAMPLES, seed=1)
    assert len({each.name for each in found}) == len(found)


def test_every_method_of_the_services_has_a_sample() -> None:
    """Those that can be called from outside, as samples are."""
    methods = {m.short for m in CONTRACT.methods.values() if m.scope}
    tasks = {f"{s.name}.{t.name}" for s in CONTRACT.services for t in s.tasks}
    assert (methods - SAMPLES.methods.keys(), tasks - SAMPLES.tasks.keys()) == (set(), set())


def test_methods_named_by_patterns_share_rate_and_clients() -> None:
    found = catalogue.parse("one", TOLD, CONTRACT, SAMPLES, seed=1)
    loads = {load.method: (load.rate, load.clients) for load in found.workload}
    assert loads == dict.fromkeys(("records.GetPatient", "records.GetChart", "book"), (10, 2))


def test_methods_that_a_row_calls_lost_fail_and_others_are_held_to_the_contracts() -> None:
    found = catalogue.parse("one", TOLD, CONTRACT, SAMPLES, seed=1)
    effects = {each.method: each.effect for each in found.expects}
    assert effects == {
        "records.GetPatient": Effect.FAILS,
        "records.GetChart": Effect.FAILS,
        "book": Effect.DEGRADED,
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"faults": [{"kind": "explode", "target": "records"}]},
        {"faults": [{"kind": "kill", "target": "records", "when": 1}]},
        {"holds": [{"measure": "happiness"}]},
        {"holds": [{"measure": "failed", "below": 0}]},
        {"workload": [{"methods": ["records.Forget"], "rate": 1}]},
        {"seconds": "long"},
    ],
    ids=lambda wrong: str(next(iter(wrong))),
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        catalogue.parse("one", {**TOLD, **wrong}, CONTRACT, SAMPLES, seed=1)


def test_the_same_seed_gives_the_same_schedule_and_another_seed_another() -> None:
    one = catalogue.parse("one", {**TOLD, "faults": TOLD["faults"] * 8}, CONTRACT, SAMPLES, seed=1)
    again = catalogue.schedule(one, PROCESSES)
    assert again == catalogue.schedule(one, reversed(PROCESSES))
    assert again != catalogue.schedule(replace(one, seed=2), PROCESSES)


def test_a_schedule_is_in_order_of_time_and_hits_what_fits_its_pattern() -> None:
    one = catalogue.parse("one", {**TOLD, "faults": TOLD["faults"] * 8}, CONTRACT, SAMPLES, seed=1)
    plan = catalogue.schedule(one, PROCESSES)
    assert [spec.at for spec in plan] == sorted(spec.at for spec in plan)
    assert {spec.target for spec in plan} == {"records-1", "records-2"}
    assert all(1 <= spec.at <= 2 and spec.kind is Kind.KILL for spec in plan)
