"""Whether the platform is well: every method answers, whole and in time."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from random import Random

from mesh.chaos.caller import Caller, CannotPrepare
from mesh.chaos.model import Observation
from mesh.chaos.samples import Sample, Samples

_AT_ONCE = 8
_PAUSE = 0.1


class Unsteady(Exception):
    """The platform is not well when it should be; the text says what is wrong with which method."""


def await_steady(
    caller: Caller, samples: Samples, names: Iterable[str], patience: float, seed: str = ""
) -> float:
    """Wait until every one of *names* has answered well; the seconds that took. Unsteady.

    A method that does not is asked again for as long as *patience* allows. Calls of the same *seed* are
    the same calls: what they create can be created once.
    """
    began, turn = time.monotonic(), 0
    ailing = dict.fromkeys(names, "")
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="steady") as pool:
        while True:
            asked = [
                (name, pool.submit(_ailment, caller, samples.all[name], f"{seed}:{turn}"))
                for name in ailing
            ]
            ailing = {name: why for name, job in asked if (why := job.result())}
            taken = time.monotonic() - began
            if not ailing:
                return taken
            if taken > patience:
                told = "; ".join(f"{name}: {why}" for name, why in sorted(ailing.items())[:5])
                raise Unsteady(f"{len(ailing)} methods are not well after {taken:.0f} s: {told}")
            turn += 1
            time.sleep(_PAUSE)


def _ailment(caller: Caller, sample: Sample, seed: str) -> str:
    """What is wrong with a method; empty when it is well."""
    chance = Random(f"{seed}:{sample.name}")  # noqa: S311
    seen: list[Observation] = []
    try:
        caller.play(sample, caller.prepare(sample, chance), chance, seen.append)
    except CannotPrepare as error:
        return str(error)
    last = seen[-1]
    if last.outcome != "OK":
        return last.reason or last.outcome
    if last.degraded:
        return f"degraded, lacks {', '.join(last.degraded)}"
    return "late" if last.late else ""
