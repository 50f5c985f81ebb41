"""The load: clients that call methods and play journeys, each at its pace, and remember what they saw."""

from __future__ import annotations

import gc
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from random import Random

from mesh.chaos.caller import Caller, CannotPrepare, See
from mesh.chaos.model import Load, Observation
from mesh.chaos.samples import Sample, Samples, Variables

_PREPARING = 8
_MOST_BEHIND = 0.5
_AT_EASE = 0.02
_GOLDEN = 0.618034
"""The multiples of the golden ratio divide a round evenly, however many there are."""


class Stock:
    """What calls need beforehand, made before the load begins: there may be nobody to ask later."""

    def __init__(self, caller: Caller, samples: Samples, seed: str) -> None:
        self._caller = caller
        self._samples = samples.all
        self._seed = seed
        self._made: dict[str, deque[Variables]] = {}

    def fill(self, wanted: Mapping[str, int]) -> None:
        """Prepare that many calls of each method or journey; CannotPrepare."""
        with ThreadPoolExecutor(_PREPARING, thread_name_prefix="stock") as pool:
            for name, count in wanted.items():
                sample = self._samples[name]
                if sample.prepare:
                    self._made[name] = deque()
                    jobs = [pool.submit(self._prepare, sample, n) for n in range(count)]
                    self._made[name].extend(job.result() for job in jobs)

    def take(self, sample: Sample, chance: Random, see: See) -> Variables:
        """One of what was made, or made now, for *see* to see, when there is no more; CannotPrepare."""
        try:
            return self._made[sample.name].popleft()
        except (KeyError, IndexError):
            return self._caller.prepare(sample, chance, see)

    def _prepare(self, sample: Sample, number: int) -> Variables:
        return self._caller.prepare(sample, Random(f"{self._seed}:{sample.name}:{number}"))  # noqa: S311


class Workload:
    """Clients in threads, from `start` to `stop`. The same seed chooses the same calls."""

    def __init__(
        self, caller: Caller, samples: Samples, loads: Iterable[Load], stock: Stock, seed: str
    ) -> None:
        self._caller = caller
        self._stock = stock
        self._samples = samples.all
        self._stopping = threading.Event()
        self._seen: list[list[Observation]] = []
        self._threads = [
            threading.Thread(
                target=self._work,
                args=(
                    load,
                    _turn(place, number, load),
                    f"{seed}:{load.method}:{number}",
                    self._place(),
                ),
                name=f"{load.method}-{number}",
                daemon=True,
            )
            for place, load in enumerate(loads)
            for number in range(load.clients)
        ]
        self._broken: BaseException | None = None
        self.unprepared = 0

    def start(self) -> None:
        """Begin. Garbage waits until `stop`: all that a long run has seen is walked through to find it,
        and what is measured would be the pauses of the clients."""
        gc.collect()
        gc.disable()
        for thread in self._threads:
            thread.start()

    def stop(self) -> tuple[Observation, ...]:
        """End when the calls under way have; what was seen, by start time."""
        self._stopping.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        gc.enable()
        self.check()
        return tuple(sorted((o for each in self._seen for o in each), key=lambda o: o.started))

    def check(self) -> None:
        """Raise what a client raised that is no answer of the platform: a fault of the run itself."""
        if self._broken is not None:
            raise self._broken

    @property
    def calls(self) -> int:
        """How many have been made so far, journeys included."""
        return sum(map(len, self._seen))

    def _place(self) -> list[Observation]:
        self._seen.append([])
        return self._seen[-1]

    def _work(self, load: Load, turn: float, seed: str, seen: list[Observation]) -> None:
        chance = Random(seed)  # noqa: S311
        sample = self._samples[load.method]
        pause = load.clients / load.rate
        due = time.monotonic() + pause * turn
        while not self._stopping.wait(max(0.0, due - time.monotonic())):
            try:
                self._once(sample, chance, seen)
            except BaseException as error:  # noqa: BLE001 - raised by `check`
                self._broken = error
                return
            due = max(due + pause, time.monotonic() - _MOST_BEHIND)

    def _once(self, sample: Sample, chance: Random, seen: list[Observation]) -> None:
        try:
            variables = self._stock.take(sample, chance, seen.append)
        except CannotPrepare:
            # The call that comes before was seen to fail; of the call itself there is nothing to say.
            self.unprepared += 1
            self._stopping.wait(_AT_EASE)
            return
        self._caller.play(sample, variables, chance, seen.append)


def _turn(place: int, number: int, load: Load) -> float:
    """When in its pause a client first calls, from 0 to 1. Those of a load take turns, and so do the
    loads: people do not all come at the same moment."""
    return (number + place * _GOLDEN % 1) / load.clients


def demand(loads: Iterable[Load], seconds: float, most: int) -> dict[str, int]:
    """How many calls of each method a load of *seconds* makes, at most *most*."""
    return {each.method: min(most, round(each.rate * seconds) + each.clients) for each in loads}
