"""How contenders are compared."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from bench.load import closed_loop
from bench.side_by_side import Sample, cpu_seconds, summary, take_pairs, take_turns


def sample(cpu_us: float, failures: int = 0) -> Sample:
    """A moment that cost so much."""
    return Sample(cpu_us, p50_us=1.0, p99_us=2.0, rps=3.0, calls=10, failures=failures)


def scripted(*costs: float) -> Callable[[], Sample]:
    """A contender whose turns cost this, one after the other."""
    left = iter(costs)
    return lambda: sample(next(left))


def test_every_contender_has_a_turn_in_every_round_and_each_round_begins_with_another() -> None:
    order: list[str] = []

    def noted(name: str) -> Sample:
        order.append(name)
        return sample(1.0)

    names = ("a", "b", "c")
    take_turns({name: lambda name=name: noted(name) for name in names}, rounds=3)  # type: ignore[misc]
    assert "".join(order) == "abcbcacab"


def test_a_ratio_is_formed_within_a_round() -> None:
    # The machine is three times as slow in the second round, for both.
    runs = {"base": scripted(100, 300, 100), "other": scripted(150, 450, 150)}
    told = summary(take_turns(runs, rounds=3), base="base")
    assert told["other"]["ratio"] == told["other"]["ratio_high"] == 1.5
    assert told["base"]["ratio"] == 1.0


def test_a_difference_is_formed_between_neighbours_whichever_came_first() -> None:
    costs = iter([20.0, 15.0, 115.0, 120.0])
    pair = (lambda: sample(next(costs)), lambda: sample(next(costs)))
    assert take_pairs({"layer": pair}, rounds=2) == {"layer": [5.0, 5.0]}


def test_calls_that_fail_are_counted_apart() -> None:
    answers = iter([True, False] * 1_000_000)

    def call() -> None:
        if not next(answers):
            raise ConnectionError

    told = closed_loop(call, callers=1, seconds=0.01)
    assert abs(told["calls"] - told["failures"]) <= 1
    assert told["calls"] > 0


def test_the_cpu_of_a_process_grows_with_what_it_does() -> None:
    before = cpu_seconds(os.getpid())
    sum(range(1_000_000))
    assert cpu_seconds(os.getpid()) > before


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_few_rounds_are_enough_for_a_median(rounds: int) -> None:
    told = summary(take_turns({"base": scripted(10, 10)}, rounds), base="base")
    assert told["base"]["cpu_us"] == 10
