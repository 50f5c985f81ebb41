"""Runs one experiment on a platform that is up: well before, load, faults, well after, judgement."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import count
from random import Random
from types import MappingProxyType

from mesh.chaos import catalogue, faults
from mesh.chaos.caller import Caller, CannotPrepare
from mesh.chaos.judge import judge, skipped
from mesh.chaos.model import CatchUp, Count, Effect, Experiment, FaultSpec, Happening, Seen, Verdict
from mesh.chaos.samples import Samples, Variables, Work, fresh
from mesh.chaos.steady import await_steady
from mesh.chaos.workload import Stock, Workload, demand
from mesh.runtime.client import Platform
from plexus.contract import Contract

Tell = Callable[[str], None]
Build = Callable[[FaultSpec, Platform, Random], faults.Fault]

_WELL_BEFORE = 20.0
_WELL_AFTER = 30.0
_READY = 45.0
_CATCHING_UP = 25.0
_MOST_STOCK = 60
_POLL = 0.05
_REPORTED = 1.5
"""Seconds after which what a replica has counted is known to the control plane."""


@dataclass(slots=True)
class _Course:
    """What came of the faults of one experiment."""

    happenings: list[Happening] = field(default_factory=list)
    made: dict[str, Variables] = field(default_factory=dict)
    lifted: float = 0.0


class Runner:
    """Runs experiments, one after another."""

    def __init__(
        self,
        platform: Platform,
        caller: Caller,
        samples: Samples,
        contract: Contract,
        tell: Tell = lambda _: None,
        build: Build = faults.build,
    ) -> None:
        self._platform = platform
        self._caller = caller
        self._samples = samples
        self._contract = contract
        self._tell = tell
        self._build = build

    def run(self, experiment: Experiment) -> Verdict:
        """The verdict; Unsteady when the platform is not well before, or does not become so after."""
        # Of another experiment's name everything is another: what it creates, too.
        seed = f"{experiment.seed}:{experiment.name}"
        chance = Random(f"{seed}:faults")  # noqa: S311
        plan = catalogue.schedule(experiment, (p.name for p in self._platform.processes()))
        try:
            built = [(spec, self._build(spec, self._platform, chance)) for spec in plan]
        except faults.NotInjectable as error:
            return skipped(experiment, str(error))
        names = sorted({load.method for load in experiment.workload})
        self._tell("well before?")
        await_steady(self._caller, self._samples, names, _WELL_BEFORE, f"{seed}:before")
        self._tell("preparing")
        stock = Stock(self._caller, self._samples, seed)
        stock.fill(demand(experiment.workload, experiment.seconds, _MOST_STOCK))
        ready = {work.task: self._ready(work, chance) for work in self._works(experiment)}
        counted = self._counts(experiment.counts)
        workload = Workload(self._caller, self._samples, experiment.workload, stock, seed)
        try:
            seen = self._load(experiment, built, workload, ready, chance)
        except faults.NotInjectable as error:
            self._platform.wait_ready(timeout=_READY)
            return skipped(experiment, str(error))
        self._platform.wait_ready(timeout=_READY)
        seen = self._finish(experiment, seen, counted)
        self._tell("well after?")
        await_steady(self._caller, self._samples, names, _WELL_AFTER, f"{seed}:after")
        return judge(experiment, seen)

    def _load(
        self,
        experiment: Experiment,
        built: list[tuple[FaultSpec, faults.Fault]],
        workload: Workload,
        ready: Mapping[str, Variables],
        chance: Random,
    ) -> Seen:
        course = _Course()
        began = time.monotonic()
        workload.start()
        try:
            self._cause(built, course, ready, chance, workload)
            _wait(began + experiment.seconds, workload)
        finally:
            observations = workload.stop()
        ended = time.monotonic()
        catch_ups = [
            self._catch_up(work, course, ready[work.task], chance)
            for work in self._works(experiment)
        ]
        happenings = tuple(course.happenings)
        return Seen(observations, happenings, began, ended, tuple(catch_ups))

    def _cause(
        self,
        built: list[tuple[FaultSpec, faults.Fault]],
        course: _Course,
        ready: Mapping[str, Variables],
        chance: Random,
        workload: Workload,
    ) -> None:
        """Inject and lift when it is time. Whatever happens, everything that was injected is lifted."""
        began = time.monotonic()
        number = count()
        steps: list[tuple[float, int, Callable[[], None]]] = []

        def at(moment: float, step: Callable[[], None]) -> None:
            heapq.heappush(steps, (began + moment, next(number), step))

        with ExitStack() as cleanup:
            for spec, fault in built:
                at(spec.at, lambda s=spec, f=fault: self._inject(s, f, cleanup, course, at, began))  # type: ignore[misc]
                if ready and spec.seconds:
                    at(spec.at + spec.seconds / 3, lambda: self._make(course, ready, chance))
            while steps:
                due, _, step = heapq.heappop(steps)
                _wait(due, workload)
                step()
        course.lifted = max((each.ended for each in course.happenings), default=time.monotonic())

    def _inject(
        self,
        spec: FaultSpec,
        fault: faults.Fault,
        cleanup: ExitStack,
        course: _Course,
        at: Callable[[float, Callable[[], None]], None],
        began: float,
    ) -> None:
        self._tell(f"{spec.kind} {spec.target}")
        cleanup.callback(fault.lift)
        fault.inject()
        injected = time.monotonic()
        if not spec.seconds:
            course.happenings.append(Happening(spec, injected, injected))
            return

        def lift() -> None:
            lifted = time.monotonic()
            self._tell(f"{spec.kind} {spec.target} is lifted")
            fault.lift()
            course.happenings.append(Happening(spec, injected, lifted))

        at(injected - began + spec.seconds, lift)

    def _works(self, experiment: Experiment) -> Iterable[Work]:
        tasks = [e.method for e in experiment.expects if e.effect is Effect.CATCHES_UP]
        return [self._samples.tasks[task] for task in tasks]

    def _ready(self, work: Work, chance: Random) -> Variables:
        known = fresh(chance)
        return {**known, **self._caller.follow(work.prepare, known, chance)}

    def _make(self, course: _Course, ready: Mapping[str, Variables], chance: Random) -> None:
        """Give each task its work while it cannot do it; where that fails, it gets it later."""
        for task, known in ready.items():
            if task in course.made:
                continue
            with suppress(CannotPrepare):
                found = self._caller.follow(self._samples.tasks[task].make, known, chance)
                course.made[task] = {**known, **found}

    def _catch_up(self, work: Work, course: _Course, ready: Variables, chance: Random) -> CatchUp:
        self._tell(f"{work.task} catches up")
        deadline = time.monotonic() + _CATCHING_UP
        while time.monotonic() < deadline:
            if work.task not in course.made:
                self._make(course, {work.task: ready}, chance)
            if self._caller.is_done(work.done, course.made.get(work.task, ready), chance):
                return CatchUp(work.task, time.monotonic() - course.lifted)
            time.sleep(_POLL)
        return CatchUp(work.task, None)

    def _counts(self, counts: Iterable[Count]) -> Mapping[str, float]:
        if not (counts := tuple(counts)):
            return {}
        time.sleep(_REPORTED)
        rows = [row for replica in self._platform.status().replicas for row in replica.calls]
        return {
            each.name: sum(
                row.count
                for row in rows
                if row.method == self._contract.find(each.method).path and row.caller == each.caller
            )
            for each in counts
        }

    def _finish(self, experiment: Experiment, seen: Seen, before: Mapping[str, float]) -> Seen:
        after = self._counts(experiment.counts)
        counted: dict[str, float] = {}
        for each in experiment.counts:
            grown = after[each.name] - before[each.name]
            calls = sum(o.method == each.per for o in seen.observations)
            counted[each.name] = round(grown / max(1, calls), 4) if each.per else grown
        return Seen(
            seen.observations,
            seen.happenings,
            seen.began,
            seen.ended,
            seen.catch_ups,
            MappingProxyType(counted),
        )


def _wait(until: float, workload: Workload) -> None:
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, 0.25))
        workload.check()
