"""How to call every method, read from samples.toml: domain knowledge as data.

    [texts]                        long texts, for `${base64:name}`
    [chains]                       steps that many need: `{ chain = "name" }` stands for them
    [[setup]]                      done once, in order; what is kept is a set to choose from
    [methods."service.Method"]     `prepare` is done ahead, `request` is the call itself
    [journeys.name]                `prepare`, then `steps` that succeed or fail as one
    [tasks."service.task"]         `make` gives the task work, `done` finds out that it was done

A step is a call with a JSON request. `${name}` in it is a variable; `keep` puts fields of the answer
into variables; `pick` chooses one element of a repeated field, from which `keep` then reads; `until`
repeats the call until the field is there, or has the value behind `=`.
"""

from __future__ import annotations

import base64
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from mesh.runtime.errors import Mistake
from plexus.contract import Contract, ContractError

Variables = dict[str, Any]

_VARIABLE = re.compile(r"\$\{([a-z0-9_:]+)\}")
_DAYS_AHEAD = (2, 40)


class SamplesWrong(Mistake):
    """The file of samples says what cannot be meant."""


class NothingThere(Exception):
    """An answer lacks what a step is to keep or to pick."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call and what to remember of its answer."""

    call: str
    request: Any
    pick: str = ""
    keep: Mapping[str, str] | None = None
    until: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """How one method or journey is called. *timeout* shortens a long deadline; *take* is how many
    responses of a stream are read, 0 for all."""

    name: str
    steps: tuple[Step, ...]
    prepare: tuple[Step, ...] = ()
    timeout: float | None = None
    take: int = 1
    is_journey: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """How a task's work is made and how it shows that it was done. *prepare* is done ahead."""

    task: str
    prepare: tuple[Step, ...]
    make: tuple[Step, ...]
    done: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Samples:
    """Everything the file says. *setup* is groups of steps, each with how often it is done."""

    texts: Mapping[str, str]
    setup: tuple[tuple[int, tuple[Step, ...]], ...]
    methods: Mapping[str, Sample]
    journeys: Mapping[str, Sample]
    tasks: Mapping[str, Work]

    @property
    def all(self) -> Mapping[str, Sample]:
        """Methods and journeys, by name."""
        return {**self.methods, **self.journeys}


def load(path: Path, contract: Contract) -> Samples:
    """Read the samples at *path*; SamplesWrong."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SamplesWrong(
            f"{path} cannot be read: {error.strerror}", "run it where tests/chaos is"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise SamplesWrong(f"{path} is no TOML: {error}", "correct it") from None
    samples = parse(told)
    _check(samples, contract)
    return samples


def parse(told: Mapping[str, Any]) -> Samples:
    """The samples that a TOML document tells."""
    read = _Reader(told.get("chains", {}))
    setup = told.get("setup", ())
    return Samples(
        texts=dict(told.get("texts", {})),
        setup=tuple((group.get("times", 1), read.steps(group["steps"])) for group in setup),
        methods={name: read.method(name, each) for name, each in told.get("methods", {}).items()},
        journeys={
            name: read.journey(name, each) for name, each in told.get("journeys", {}).items()
        },
        tasks={name: read.work(name, each) for name, each in told.get("tasks", {}).items()},
    )


def fill(
    template: Any, variables: Mapping[str, Any], texts: Mapping[str, str], chance: Random
) -> Any:
    """The template with every `${variable}` replaced; a variable with many values gives any of them."""
    if isinstance(template, str):
        return _fill_text(template, variables, texts, chance)
    if isinstance(template, Mapping):
        return {key: fill(each, variables, texts, chance) for key, each in template.items()}
    if isinstance(template, list):
        return [fill(each, variables, texts, chance) for each in template]
    return template


def fresh(chance: Random) -> Variables:
    """What every call may use: `unique`, and a day from `day_start` to `day_end` some weeks ahead."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    day = today + timedelta(days=chance.randint(*_DAYS_AHEAD))
    return {
        "unique": f"{chance.getrandbits(64):016x}",
        "day_start": day.isoformat(),
        "day_end": (day + timedelta(days=1)).isoformat(),
    }


def kept(step: Step, response: Message, chance: Random) -> Variables:
    """What the step remembers of the answer; NothingThere."""
    found: Any = response
    if step.pick:
        choices = value_at(response, step.pick)
        if not choices:
            raise NothingThere(step.pick)
        found = choices[chance.randrange(len(choices))]
    return {name: value_at(found, path) for name, path in (step.keep or {}).items()}


def is_done(step: Step, response: Message) -> bool:
    """Whether the answer has what the step waits for."""
    path, _, wanted = step.until.partition("=")
    try:
        found = value_at(response, path)
    except NothingThere:
        return False
    return str(found) == wanted if wanted else bool(found)


def value_at(message: Any, path: str) -> Any:
    """The value at *path*, whose parts are names of fields and places in lists; NothingThere."""
    found = message
    for part in path.split("."):
        try:
            found = found[int(part)] if part.isdecimal() else getattr(found, part)
        except (IndexError, AttributeError):
            raise NothingThere(path) from None
    if isinstance(found, Timestamp):
        return found.ToJsonString()
    return found


def _fill_text(
    text: str, variables: Mapping[str, Any], texts: Mapping[str, str], chance: Random
) -> Any:
    whole = _VARIABLE.fullmatch(text)
    if whole:
        return _variable(whole[1], variables, texts, chance)
    return _VARIABLE.sub(lambda found: str(_variable(found[1], variables, texts, chance)), text)


def _variable(
    name: str, variables: Mapping[str, Any], texts: Mapping[str, str], chance: Random
) -> Any:
    if name.startswith("base64:"):
        filled = _fill_text(texts[name.removeprefix("base64:")], variables, texts, chance)
        return base64.b64encode(str(filled).encode()).decode()
    value = variables[name]
    return chance.choice(value) if isinstance(value, tuple) else value


class _Reader:
    """Reads tables of the file; *chains* are the steps that a name stands for."""

    def __init__(self, chains: Mapping[str, Any]) -> None:
        self._chains = chains

    def steps(self, told: Iterable[Mapping[str, Any]]) -> tuple[Step, ...]:
        return tuple(step for each in told for step in self._step(each))

    def method(self, name: str, told: Mapping[str, Any]) -> Sample:
        return Sample(
            name=name,
            steps=(Step(name, told.get("request", {})),),
            prepare=self.steps(told.get("prepare", ())),
            timeout=told.get("timeout"),
            take=told.get("take", 1),
        )

    def journey(self, name: str, told: Mapping[str, Any]) -> Sample:
        prepare = self.steps(told.get("prepare", ()))
        return Sample(name, self.steps(told["steps"]), prepare, is_journey=True)

    def work(self, name: str, told: Mapping[str, Any]) -> Work:
        prepare = self.steps(told.get("prepare", ()))
        return Work(name, prepare, self.steps(told["make"]), self.steps(told["done"]))

    def _step(self, told: Mapping[str, Any]) -> Iterator[Step]:
        if "chain" in told:
            yield from self.steps(self._chains[told["chain"]])
            return
        yield Step(
            call=told["call"],
            request=told.get("request", {}),
            pick=told.get("pick", ""),
            keep=dict(told.get("keep", {})),
            until=told.get("until", ""),
        )


def _check(samples: Samples, contract: Contract) -> None:
    for name in _named(samples):
        try:
            contract.find(name)
        except ContractError as error:
            raise SamplesWrong(str(error), "correct samples.toml") from None
    tasks = {f"{s.name}.{task.name}" for s in contract.services for task in s.tasks}
    if wrong := samples.tasks.keys() - tasks:
        raise SamplesWrong(f"no contract has the task {min(wrong)}", "correct samples.toml")


def _named(samples: Samples) -> Iterator[str]:
    groups = [steps for _, steps in samples.setup]
    groups += [sample.prepare + sample.steps for sample in samples.all.values()]
    groups += [work.prepare + work.make + work.done for work in samples.tasks.values()]
    return (step.call for steps in groups for step in steps)
