"""Runs again and again, each time with the next seed, and remembers the seeds that fail."""

from __future__ import annotations

from collections.abc import Callable

HELD = 0
BROKEN = 1
"""A promise was not kept. Any other code says that the run could not be made."""

Run = Callable[[int], int]
"""Makes one run with a seed, and returns its exit code."""


class NotRun(Exception):
    """A run could not be made; *code* is its exit code. The next seed would fare no better."""

    def __init__(self, seed: int, code: int) -> None:
        super().__init__(f"the run with seed {seed} ended with {code}")
        self.code = code


def soak(
    run: Run, seed: int, goes_on: Callable[[], bool], tell: Callable[[int, bool], None]
) -> list[int]:
    """The seeds from *seed* on that failed, for as long as it *goes_on*; at least one is run. NotRun.

    *tell* is told of each seed whether it held, as soon as that is known.
    """
    failed: list[int] = []
    while True:
        code = run(seed)
        if code not in (HELD, BROKEN):
            raise NotRun(seed, code)
        if code == BROKEN:
            failed.append(seed)
        tell(seed, code == HELD)
        seed += 1
        if not goes_on():
            return failed
