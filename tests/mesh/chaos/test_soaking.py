"""A soak walks on through the seeds, and names every one that fails."""

from __future__ import annotations

import pytest

from mesh.chaos.soaking import BROKEN, HELD, NotRun, soak


def run_seeds(codes: list[int], first: int = 7) -> tuple[list[int], list[tuple[int, bool]]]:
    """Runs that end with *codes*, for as long as there are any: what failed, and what was told."""
    left, told = iter(codes), list[tuple[int, bool]]()
    failed = soak(
        lambda _: next(left),
        first,
        lambda: len(told) < len(codes),
        lambda seed, held: told.append((seed, held)),
    )
    return failed, told


def test_every_seed_that_fails_is_told_at_once_and_in_the_end() -> None:
    failed, told = run_seeds([HELD, BROKEN, HELD, BROKEN])
    assert failed == [8, 10]
    assert told == [(7, True), (8, False), (9, True), (10, False)]


def test_when_nothing_fails_there_is_nothing_to_name() -> None:
    assert run_seeds([HELD])[0] == []


def test_what_cannot_be_run_ends_it_and_is_no_failing_seed() -> None:
    with pytest.raises(NotRun, match="seed 8") as ended:
        run_seeds([HELD, 2, HELD])
    assert ended.value.code == 2
