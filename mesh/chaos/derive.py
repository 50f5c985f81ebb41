"""Experiments that follow from the contracts: each callee is taken away in each way there is.

Nothing here knows a service. What must hold is computed from the declared calls: a method that
requires what is gone fails, one that can do without it says so, and all others notice nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from mesh.chaos.model import Effect, Expected, Experiment, FaultSpec, Kind, Load
from mesh.chaos.samples import Sample, Samples
from plexus.contract import Contract, Method, Need, Task

AT = 0.5
"""When the fault comes, after the load has begun."""
LOST_FOR = 5.0
AFTER = 0.5
RATE = 3.0
"""Calls a second of each method: enough to open breakers, little enough to be no overload."""
_SLOWNESS = 3
"""How many of its own deadlines a slow callee takes."""
_LONGEST_DEADLINE = 5.0
_MANY_STEPS = 2


class Way(StrEnum):
    """How a callee is taken away."""

    KILL = "kill"
    HANG = "hang"
    SLOW = "slow"
    FAIL = "fail"


_WHOLE = (Way.KILL, Way.HANG)
_KINDS = {Way.KILL: Kind.KILL, Way.HANG: Kind.STOP, Way.SLOW: Kind.SLOW, Way.FAIL: Kind.FAIL}


@dataclass(frozen=True, slots=True)
class Loss:
    """What is taken away, and how. *where* is a service, or the short name of a method."""

    way: Way
    where: str

    @property
    def name(self) -> str:
        """Such as `kill records`, `slow scheduling.FindSlots`."""
        return f"{self.way} {self.where}"


@dataclass(frozen=True, slots=True)
class Edge:
    """One declared call: *source* is a method or a task, *target* a method, by their short names."""

    source: str
    target: str


def edges(contract: Contract) -> frozenset[Edge]:
    """Every declared call of the services, feeds that tasks follow included."""
    return frozenset(
        Edge(source, contract.method(path).short)
        for source, paths in _calls(contract)
        for path in paths
        if path in contract.methods
    )


def losses(contract: Contract) -> tuple[Loss, ...]:
    """Each service, killed and hung; each method that another service calls, slow and failing."""
    services = [name for name in contract.workloads if name != "mesh"]
    callees = sorted({edge.target for edge in edges(contract)})
    return tuple(
        chain(
            (Loss(way, name) for name in sorted(services) for way in _WHOLE),
            (Loss(way, name) for name in callees for way in (Way.SLOW, Way.FAIL)),
        )
    )


def gone(contract: Contract, where: str) -> frozenset[str]:
    """The paths of the methods that are lost with a service, or with a method."""
    if where in contract.workloads:
        return frozenset(m.path for s in contract.workloads[where] for m in s.methods)
    return frozenset({contract.find(where).path})


def expect(
    contract: Contract, lost: frozenset[str], samples: Samples, *, dead: str = ""
) -> tuple[Expected, ...]:
    """What becomes of each method, journey and task of *samples* when the methods *lost* are gone.

    The tasks of *dead*, a service, are gone as well.
    """
    methods = {name: of_method(contract, contract.find(name), lost) for name in samples.methods}
    journeys = {
        name: _of_journey(contract, name, (step.call for step in sample.steps), lost)
        for name, sample in samples.journeys.items()
    }
    return (*methods.values(), *journeys.values(), *_of_tasks(contract, samples, dead, lost))


def of_method(contract: Contract, method: Method, lost: frozenset[str]) -> Expected:
    """What becomes of one method when the methods *lost* do not answer."""
    if method.path in lost:
        return Expected(method.short, Effect.FAILS)
    fails = False
    lacks: set[str] = set()
    for call in method.declared:
        callee = contract.methods.get(call.method)
        if callee is None or of_method(contract, callee, lost).effect is not Effect.FAILS:
            continue
        if call.need is Need.REQUIRED:
            fails = True
        else:
            lacks.add(callee.short)
    taken = frozenset(contract.method(c.method).short for c in method.declared if c.method in lost)
    if fails:
        return Expected(method.short, Effect.FAILS, edges=taken)
    effect = Effect.DEGRADED if lacks else Effect.WORKS
    return Expected(method.short, effect, frozenset(lacks), taken)


def experiments(contract: Contract, samples: Samples, seed: int) -> tuple[Experiment, ...]:
    """One experiment for each loss."""
    load = tuple(Load(name, _rate(sample)) for name, sample in samples.all.items())
    return tuple(_experiment(contract, samples, loss, load, seed) for loss in losses(contract))


def _experiment(
    contract: Contract, samples: Samples, loss: Loss, load: tuple[Load, ...], seed: int
) -> Experiment:
    return Experiment(
        name=loss.name.replace(" ", "-"),
        about=_ABOUT[loss.way].format(where=loss.where),
        seconds=AT + LOST_FOR + AFTER,
        workload=load,
        faults=tuple(_faults(contract, loss)),
        expects=expect(contract, gone(contract, loss.where), samples, dead=loss.where),
        where=loss.where,
        seed=seed,
        subset=loss.way in (Way.KILL, Way.FAIL),
    )


def _faults(contract: Contract, loss: Loss) -> Iterator[FaultSpec]:
    kind = _KINDS[loss.way]
    if loss.way is Way.FAIL:
        # One that is retried, and one that is not.
        for number, status in enumerate(("UNAVAILABLE", "INTERNAL")):
            at = AT + number * LOST_FOR / 2
            yield FaultSpec(kind, loss.where, at, LOST_FOR / 2, parameters={"abort": status})
        return
    parameters: Mapping[str, object] = {}
    if loss.way is Way.SLOW:
        deadline = contract.find(loss.where).deadline
        # A stream lives for minutes; what is slow about it is its first response.
        seconds = _SLOWNESS * deadline if deadline <= _LONGEST_DEADLINE else LOST_FOR + 2
        parameters = {"delay_ms": round(seconds * 1000)}
    yield FaultSpec(kind, loss.where, AT, LOST_FOR, parameters=parameters)


def _rate(sample: Sample) -> float:
    """What takes many calls to prepare is called half as often."""
    return RATE if len(sample.prepare) < _MANY_STEPS else RATE / 2


_ABOUT = {
    Way.KILL: "every replica of {where} is dead",
    Way.HANG: "every replica of {where} hangs",
    Way.SLOW: "{where} takes three times its deadline",
    Way.FAIL: "{where} fails every call, with UNAVAILABLE and then with INTERNAL",
}


def _of_journey(
    contract: Contract, name: str, calls: Iterable[str], lost: frozenset[str]
) -> Expected:
    steps = [of_method(contract, contract.find(call), lost) for call in calls]
    if any(step.effect is Effect.FAILS for step in steps):
        return Expected(name, Effect.FAILS)
    lacks = frozenset(chain.from_iterable(step.lacks for step in steps))
    return Expected(name, Effect.DEGRADED if lacks else Effect.WORKS, lacks)


def _of_tasks(
    contract: Contract, samples: Samples, dead: str, lost: frozenset[str]
) -> Iterator[Expected]:
    for service in contract.services:
        for task in service.tasks:
            taken = frozenset(contract.method(p).short for p in _of_task(task) if p in lost)
            name = f"{service.name}.{task.name}"
            # A task that is itself dead makes up for it as well.
            if (taken or service.name == dead) and name in samples.tasks:
                yield Expected(name, Effect.CATCHES_UP, edges=taken)


def _calls(contract: Contract) -> Iterator[tuple[str, tuple[str, ...]]]:
    for service in contract.services:
        for method in service.methods:
            yield method.short, tuple(method.calls)
        for task in service.tasks:
            yield f"{service.name}.{task.name}", _of_task(task)


def _of_task(task: Task) -> tuple[str, ...]:
    return tuple(task.declared)
