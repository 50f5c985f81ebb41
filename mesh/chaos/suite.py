"""A whole run: the platform up, every experiment in turn, the studies, everything gone, the outcome."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Protocol

from mesh.chaos import catalogue, matrix, samples, studies
from mesh.chaos.caller import Caller, CannotPrepare
from mesh.chaos.faults import NotInjectable
from mesh.chaos.faults.storage import small_disk
from mesh.chaos.model import Experiment, Kind, Shortfall, Verdict
from mesh.chaos.report import Outcome
from mesh.chaos.runner import Runner
from mesh.chaos.stage import private_platform
from mesh.chaos.steady import Unsteady
from mesh.chaos.studies import Study
from mesh.runtime.client import Platform
from mesh.runtime.errors import Mistake
from plexus.contract import Contract, load
from plexus.errors import PlexusError

HISTORY = "history"
OVERLOAD = "overload"
STUDIES = (HISTORY, OVERLOAD)

_START = 120.0
_SUBSET_OPERATIONS = 8_000
_SUBSET_KILLS = 15


class Watcher(Protocol):
    """Who follows a run as it goes."""

    def begins(self, name: str, number: int, of: int) -> None:
        """An experiment, or a study, begins."""

    def tells(self, what: str) -> None:
        """Something happens in it."""

    def ended(self, name: str, verdict: Verdict | Study, seconds: float) -> None:
        """It has ended."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be run. *whole*: every figure has to be shown. *subset*: the studies are short."""

    experiments: tuple[Experiment, ...]
    studies: tuple[str, ...] = ()
    seed: int = 1
    whole: bool = False
    subset: bool = False


@dataclass(slots=True)
class Found:
    """What came of a run so far."""

    verdicts: list[Verdict] = field(default_factory=list)
    studies: list[Study] = field(default_factory=list)
    further: list[Shortfall] = field(default_factory=list)


class Suite:
    """The experiments of one folder and one contract."""

    def __init__(self, folder: Path, seed: int, contract: Contract | None = None) -> None:
        self._root = folder.absolute().parents[1]
        self._contract = contract or load()
        self._samples = samples.load(folder / catalogue.SAMPLES, self._contract)
        self._seed = seed
        self.experiments = catalogue.experiments(folder, self._contract, self._samples, seed)

    def choose(self, names: Sequence[str], *, subset: bool) -> Choice:
        """What *names*, of experiments and studies, or `all`, stand for; Mistake."""
        if "all" in names:
            chosen = [e for e in self.experiments if e.subset or not subset]
            # Overload compares times, which a machine that does other things beside cannot promise.
            studied = (HISTORY,) if subset else STUDIES
            return Choice(tuple(chosen), studied, self._seed, whole=not subset, subset=subset)
        known = {e.name: e for e in self.experiments}
        for name in names:
            if name not in known and name not in STUDIES:
                raise Mistake(
                    f"there is no experiment {name}", "`plexus chaos list` shows those there are"
                )
        return Choice(
            tuple(known[name] for name in names if name in known),
            tuple(name for name in names if name in STUDIES),
            self._seed,
            subset=subset,
        )

    def run(self, choice: Choice, watcher: Watcher, *, keep: bool = False) -> Outcome:
        """Run it on a platform of its own, which is gone afterwards, whatever happens."""
        began, clock = datetime.now(UTC), time.monotonic()
        found = Found()
        total = len(choice.experiments) + len(choice.studies)
        if choice.experiments or HISTORY in choice.studies:
            with private_platform(keep=keep) as platform, _disks(platform, choice.experiments):
                watcher.begins("the platform", 0, total)
                platform.up(sampling=0.0, timeout=_START)
                self._on_platform(platform, choice, watcher, found, total)
        # Alone, when nothing else runs: it is about time.
        if OVERLOAD in choice.studies:
            watcher.begins(OVERLOAD, total, total)
            self._study(lambda: studies.overload(self._root), watcher, found)
        return Outcome(
            seed=choice.seed,
            began=began,
            seconds=time.monotonic() - clock,
            verdicts=tuple(found.verdicts),
            matrix=matrix.assemble(found.verdicts),
            figures=MappingProxyType(self._figures(found, choice)),
            further=tuple(found.further),
            whole=choice.whole,
        )

    def _on_platform(
        self, platform: Platform, choice: Choice, watcher: Watcher, found: Found, total: int
    ) -> None:
        caller = Caller(platform.channel, self._contract, self._samples)
        runner = Runner(platform, caller, self._samples, self._contract, watcher.tells)
        try:
            if choice.experiments:
                caller.set_up(Random(choice.seed))  # noqa: S311
            for number, experiment in enumerate(choice.experiments, start=1):
                watcher.begins(experiment.name, number, total)
                began = time.monotonic()
                verdict = runner.run(experiment)
                found.verdicts.append(verdict)
                watcher.ended(experiment.name, verdict, time.monotonic() - began)
            if HISTORY in choice.studies:
                watcher.begins(HISTORY, len(choice.experiments) + 1, total)
                self._study(lambda: self._history(platform, choice, watcher), watcher, found)
        except (Unsteady, CannotPrepare, PlexusError, Mistake) as error:
            # A system that is not well cannot be judged: the run ends here and says so.
            told = error.reason if isinstance(error, PlexusError) else str(error)
            found.further.append(Shortfall("run", "the platform is well between faults", told))

    def _history(self, platform: Platform, choice: Choice, watcher: Watcher) -> Study:
        if choice.subset:
            return studies.history(
                platform,
                choice.seed,
                operations=_SUBSET_OPERATIONS,
                kills=_SUBSET_KILLS,
                tell=watcher.tells,
            )
        return studies.history(platform, choice.seed, tell=watcher.tells)

    def _study(self, make: Callable[[], Study], watcher: Watcher, found: Found) -> None:
        began = time.monotonic()
        study = make()
        found.studies.append(study)
        found.further.extend(study.shortfalls)
        watcher.ended(study.name, study, time.monotonic() - began)

    def _figures(self, found: Found, choice: Choice) -> dict[str, Mapping[str, float]]:
        figures = _of_experiments(found.verdicts)
        figures |= {each.name: each.figures for each in found.studies if each.figures is not None}
        edges = matrix.count_edges(self._contract, found.verdicts)
        if choice.whole or edges["tested"]:
            figures["edges"] = edges
            if choice.whole and edges["tested"] < edges["declared"]:
                told = f"{edges['tested']} of {edges['declared']}"
                found.further.append(Shortfall("edges", "every declared call is tested", told))
        return figures


@contextmanager
def _disks(platform: Platform, experiments: Iterable[Experiment]) -> Iterator[None]:
    """Small disks for the services whose disk is to be full; the platform is down when they go."""
    services = {
        spec.target
        for experiment in experiments
        for spec in experiment.faults
        if spec.kind is Kind.DISK_FULL
    }
    with ExitStack() as disks:
        for service in sorted(services):
            # Where there is no right to mount, the fault itself says so when its turn comes.
            with suppress(NotInjectable):
                disks.enter_context(small_disk(platform.home.path, service))
        try:
            yield
        finally:
            with suppress(Mistake):
                platform.down(force=True)


def _of_experiments(verdicts: Iterable[Verdict]) -> dict[str, Mapping[str, float]]:
    return {
        each.experiment.figure: each.figures
        for each in verdicts
        if each.experiment.figure and each.figures
    }
