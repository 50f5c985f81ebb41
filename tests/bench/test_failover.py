"""What calls show of a replica that died or hangs."""

from __future__ import annotations

import pytest

from bench.failover import judge

STRUCK = 100.0
Call = tuple[float, float, str]


def steady(begin: float, end: float) -> list[Call]:
    """A quick answer every tenth of a second."""
    return [(begin + step / 10, 0.001, "OK") for step in range(round((end - begin) * 10))]


@pytest.mark.parametrize(
    ("odd", "affected", "failed", "last"),
    [
        ([], 0, 0, 0.0),
        ([(100.5, 0.002, "UNAVAILABLE")], 1, 1, 0.5),
        ([(100.5, 0.4, "OK"), (100.7, 1.0, "DEADLINE_EXCEEDED")], 2, 1, 0.7),
        # Under way when the signal came: it is one of those that saw it.
        ([(99.95, 0.5, "OK")], 1, 0, 0.0),
        # Over before it came: that was not its doing.
        ([(99.0, 0.5, "OK")], 0, 0, 0.0),
    ],
)
def test_affected_are_failed_and_slow_calls_that_saw_the_signal(
    odd: list[Call], affected: int, failed: int, last: float
) -> None:
    told = judge(sorted([*steady(99, 104), *odd]), STRUCK)
    assert (told.affected, told.failed) == (affected, failed)
    assert told.last == pytest.approx(last)


def test_what_is_affected_to_the_end_has_not_been_got_over() -> None:
    hung = [(100 + step / 50, 1.0, "DEADLINE_EXCEEDED") for step in range(200)]
    assert judge(sorted([*steady(99, 104), *hung]), STRUCK).lasting
    assert not judge(sorted([*steady(99, 104), *hung[:100]]), STRUCK).lasting
