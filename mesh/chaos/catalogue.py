"""Every experiment there is: those written in tests/chaos/*.toml and those derived from the contracts.

about = "…"                    what is done, in a line
seconds = 30
figure = "sigkill"             the report's key for what is measured
subset = true                  part of the short run
[row]                          it has a row in the matrix
where = "scheduling"           where the fault is
fails = ["scheduling.Create*"] the methods that are lost; all others are held to the contracts
[[workload]]                   methods = ["records.*"], rate = 20 (in all), clients = 4 (in all)
[[faults]]                     kind, target, at, seconds, jitter, parameters
[[counts]]                     name, method, caller, per
[[holds]]                      measure, name, subject, since, until, at_most, at_least
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any, TypeVar

from mesh.chaos import derive
from mesh.chaos.judge import MEASURES
from mesh.chaos.model import Count, Expectation, Experiment, FaultSpec, Kind, Load
from mesh.chaos.samples import Samples
from mesh.runtime.errors import Mistake
from plexus.contract import Contract

SAMPLES = "samples.toml"

Stated = TypeVar("Stated", Load, FaultSpec, Expectation, Count)


class ExperimentWrong(Mistake):
    """The file of an experiment says what cannot be meant."""


def experiments(
    folder: Path, contract: Contract, samples: Samples, seed: int
) -> tuple[Experiment, ...]:
    """All of them, the written ones first; ExperimentWrong."""
    written = [
        read(path, contract, samples, seed)
        for path in sorted(folder.glob("*.toml"))
        if path.name != SAMPLES
    ]
    return (*written, *derive.experiments(contract, samples, seed))


def read(path: Path, contract: Contract, samples: Samples, seed: int) -> Experiment:
    """The experiment in a file; ExperimentWrong."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        return parse(path.stem, told, contract, samples, seed)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise ExperimentWrong(f"{path.name}: {error}", "correct it") from None


def parse(
    name: str, told: Mapping[str, Any], contract: Contract, samples: Samples, seed: int
) -> Experiment:
    """The experiment that a TOML document tells. ValueError, KeyError, TypeError."""
    counts = tuple(_stated(Count, each) for each in told.get("counts", ()))
    holds = tuple(_expectation(each) for each in told.get("holds", ()))
    known = {*MEASURES, *(count.name for count in counts)}
    if unknown := sorted({each.measure for each in holds} - known):
        raise ValueError(f"no measure is called {unknown[0]}")
    row = told.get("row")
    workload = tuple(_loads(told["workload"], samples))
    called = {load.method for load in workload}
    expects = derive.expect(contract, _lost(row, contract), samples) if row else ()
    return Experiment(
        name=name,
        about=told["about"],
        seconds=float(told["seconds"]),
        workload=workload,
        faults=tuple(_fault(each) for each in told.get("faults", ())),
        holds=holds,
        expects=tuple(each for each in expects if each.method in called),
        counts=counts,
        where=row["where"] if row else "",
        settles=row.get("settles", 0.0) if row else 0.0,
        seed=seed,
        figure=told.get("figure", ""),
        subset=told.get("subset", False),
    )


def schedule(experiment: Experiment, processes: Iterable[str]) -> tuple[FaultSpec, ...]:
    """The faults in order of time, with the seed's choice of target and moment.

    The same seed and processes give the same schedule. ValueError when a pattern fits no process.
    """
    chance = Random(f"{experiment.seed}:{experiment.name}")  # noqa: S311
    known = sorted(processes)
    chosen = [_chosen(spec, known, chance) for spec in experiment.faults]
    return tuple(sorted(chosen, key=lambda spec: spec.at))


def _chosen(spec: FaultSpec, processes: list[str], chance: Random) -> FaultSpec:
    at = spec.at + chance.uniform(0.0, spec.jitter)
    if "*" not in spec.target or spec.target == "*":
        return replace(spec, at=at, jitter=0.0)
    fitting = [name for name in processes if fnmatchcase(name, spec.target)]
    if not fitting:
        raise ValueError(f"no process is called {spec.target}")
    return replace(spec, at=at, jitter=0.0, target=chance.choice(fitting))


def _loads(told: Iterable[Mapping[str, Any]], samples: Samples) -> Iterator[Load]:
    """A table may name several methods, by patterns: they share its rate and its clients."""
    for each in told:
        names = [n for n in samples.all if any(fnmatchcase(n, p) for p in each["methods"])]
        if not names:
            raise ValueError(f"no method has a sample and is called {each['methods']}")
        clients = max(1, round(each.get("clients", 2 * len(names)) / len(names)))
        for name in names:
            yield Load(name, each["rate"] / len(names), clients)


def _fault(told: Mapping[str, Any]) -> FaultSpec:
    stated = {**told, "kind": Kind(told["kind"])}
    stated["parameters"] = MappingProxyType(dict(told.get("parameters", {})))
    return _stated(FaultSpec, stated)


def _expectation(told: Mapping[str, Any]) -> Expectation:
    return _stated(Expectation, {"name": told["measure"], **told})


def _stated(kind: type[Stated], told: Mapping[str, Any]) -> Stated:
    if unknown := sorted(told.keys() - {field.name for field in fields(kind)}):
        raise ValueError(f"{unknown[0]} is not said of a {kind.__name__.lower()}")
    return kind(**told)


def _lost(row: Mapping[str, Any], contract: Contract) -> frozenset[str]:
    patterns = row.get("fails", ())
    return frozenset(
        method.path
        for method in contract.methods.values()
        if any(fnmatchcase(method.short, pattern) for pattern in patterns)
    )
