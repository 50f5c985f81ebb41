"""What is made of what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from mesh.chaos.judge import judge, percentile
from mesh.chaos.model import (
    CatchUp,
    Effect,
    Expectation,
    Expected,
    Experiment,
    FaultSpec,
    Happening,
    Kind,
    Observation,
    Seen,
)

FAULT = FaultSpec(Kind.KILL, "back", at=1.0, seconds=4.0)
DURING, BEFORE, AFTER = 2.0, 0.5, 6.0
METHOD = "front.Show"


def call(
    outcome: str = "OK",
    *,
    at: float = DURING,
    took: float = 0.01,
    reason: str = "",
    lacks: Sequence[str] = (),
    late: bool = False,
    method: str = METHOD,
) -> Observation:
    return Observation(method, at, at + took, outcome, reason, tuple(lacks), late)


def seen(*calls: Observation, catch_ups: Sequence[CatchUp] = ()) -> Seen:
    return Seen(calls, (Happening(FAULT, 1.0, 5.0),), 0.0, 7.0, tuple(catch_ups))


def experiment(*expects: Expected, holds: Sequence[Expectation] = ()) -> Experiment:
    return Experiment("one", "", 7.0, (), (FAULT,), tuple(holds), expects, where="back")


WORKS = Expected(METHOD, Effect.WORKS)
DEGRADED = Expected(METHOD, Effect.DEGRADED, frozenset({"back.Get"}), frozenset({"back.Get"}))
REQUIRES = Expected(METHOD, Effect.FAILS, edges=frozenset({"back.Get"}))
GONE = Expected(METHOD, Effect.FAILS)


def typed(took: float = 0.01) -> Observation:
    return call("UNAVAILABLE", took=took, reason="DEPENDENCY_UNAVAILABLE")


@pytest.mark.parametrize(
    ("expected", "calls", "why"),
    [
        pytest.param(WORKS, [call(), call("NOT_FOUND")], "", id="a refusal is an answer"),
        pytest.param(WORKS, [call(), call("UNAVAILABLE")], "1 of 2 calls fail", id="untouched, not"),
        pytest.param(WORKS, [call(), call("INTERNAL", at=AFTER)], "calls fail", id="fails afterwards"),
        pytest.param(WORKS, [call(lacks=["back.Get"])], "1 of 1 answers are degraded", id="degraded"),
        pytest.param(WORKS, [call(late=True)], "1 of 1 answers are late", id="late"),
        pytest.param(DEGRADED, [call(lacks=["back.Get"]), call()], "", id="says what it lacks"),
        pytest.param(DEGRADED, [call()], "no answer says that it lacks back.Get", id="silent"),
        pytest.param(
            DEGRADED,
            [call(lacks=["back.Get"], at=BEFORE), call()],
            "no answer says",
            id="said so before only",
        ),
        pytest.param(DEGRADED, [call(lacks=["back.Get", "x.Y"])], "also lacks x.Y", id="lacks more"),
        pytest.param(
            DEGRADED,
            [call(lacks=["back.Get"]), call("DEADLINE_EXCEEDED", late=True)],
            "1 of 2 calls fail with DEADLINE_EXCEEDED",
            id="waits for the dead",
        ),
        pytest.param(REQUIRES, [typed()], "", id="fails as declared"),
        pytest.param(REQUIRES, [typed(took=0.5)], "it takes 500 ms to fail", id="slow to fail"),
        pytest.param(REQUIRES, [call("INTERNAL")], "1 of 1 calls fail with INTERNAL", id="untyped"),
        pytest.param(REQUIRES, [call()], "it works without what it requires", id="need not declared"),
        pytest.param(GONE, [call("UNAVAILABLE", took=0.9)], "", id="gone itself"),
        pytest.param(GONE, [call()], "the fault had no effect", id="not gone at all"),
    ],
)  # fmt: skip
def test_a_cell_is_as_declared_or_broken(
    expected: Expected, calls: Sequence[Observation], why: str
) -> None:
    verdict = judge(experiment(expected), seen(*calls))
    cell = verdict.cells[0]
    assert cell.seen is (Effect.BROKEN if why else expected.effect)
    assert why in cell.why
    assert verdict.held is not bool(why)


@pytest.mark.parametrize(("at", "effect"), [(1.5, Effect.WORKS), (3.5, Effect.BROKEN)])
def test_a_blip_is_no_breach_and_what_lasts_is(at: float, effect: Effect) -> None:
    settling = replace(experiment(WORKS), settles=2.0)
    found = judge(settling, seen(call(), call("DEADLINE_EXCEEDED", at=at)))
    assert found.cells[0].seen is effect


def test_what_was_not_called_during_the_fault_is_not_run() -> None:
    cell = judge(experiment(WORKS), seen(call(at=BEFORE))).cells[0]
    assert cell.seen is Effect.UNTESTED


@pytest.mark.parametrize(
    ("catch_ups", "effect"),
    [
        ((CatchUp("apart.follow", 1.5),), Effect.CATCHES_UP),
        ((CatchUp("apart.follow", None),), Effect.BROKEN),
        ((), Effect.UNTESTED),
    ],
)
def test_background_work_has_to_make_up_for_what_it_missed(
    catch_ups: Sequence[CatchUp], effect: Effect
) -> None:
    expected = Expected("apart.follow", Effect.CATCHES_UP)
    assert judge(experiment(expected), seen(catch_ups=catch_ups)).cells[0].seen is effect


CALLS = (
    call(at=BEFORE),
    call("UNAVAILABLE", at=1.5),
    call(at=4.0, took=2.0, late=True),
    call(at=AFTER, method="back.Get"),
    call(at=AFTER, method="walk"),
)


@pytest.mark.parametrize(
    ("hold", "figure"),
    [
        (Expectation("n", "calls"), 4),
        (Expectation("n", "calls", subject="front.*"), 3),
        (Expectation("n", "calls", subject="walk"), 1),
        (Expectation("n", "failed"), 1),
        (Expectation("n", "late_share", subject="front.*"), 1 / 3),
        (Expectation("n", "calls", since=0.0), 2),
        (Expectation("n", "failed", since=2.0), 0),
        (Expectation("n", "late", since=2.0), 1),
        (Expectation("n", "late", since=0.0, until=2.0), 0),
        (Expectation("n", "p99_ms", since=2.0), 2000),
    ],
)  # fmt: skip
def test_a_figure_counts_the_calls_it_is_about(hold: Expectation, figure: float) -> None:
    assert judge(experiment(holds=[hold]), seen(*CALLS)).figures["n"] == pytest.approx(figure)


@pytest.mark.parametrize(
    ("bounds", "held"),
    [
        ({"at_most": 1}, True),
        ({"at_most": 0}, False),
        ({"at_least": 1}, True),
        ({"at_least": 2}, False),
        ({}, True),
    ],
)
def test_a_figure_beyond_its_bound_is_a_shortfall(bounds: dict[str, float], held: bool) -> None:
    hold = Expectation("failed", "failed", **bounds)  # type: ignore[arg-type]
    assert judge(experiment(holds=[hold]), seen(*CALLS)).held is held


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [([], 0.99, 0.0), ([5.0], 0.5, 5.0), ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0), (range(1, 101), 0.99, 99)],
)  # fmt: skip
def test_percentiles_are_of_the_nearest_rank(
    values: list[float], share: float, found: float
) -> None:
    assert percentile(values, share) == found
