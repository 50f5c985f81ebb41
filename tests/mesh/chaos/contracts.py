"""Small contracts: `a.M requires b.M`, written as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from plexus.contract import Call, Contract, Need, Service, Task, load

Calls = Mapping[str, Need]


def contract(
    methods: Mapping[str, Calls], tasks: Mapping[str, tuple[str, Calls]] | None = None
) -> Contract:
    """A contract with *methods*, such as `records.Get`, and what each calls; tasks with their feed."""
    names = {name.partition(".")[0] for name in [*methods, *(tasks or {})]}
    return Contract(tuple(_service(name, methods, tasks or {}) for name in sorted(names)))


def path_of(short: str) -> str:
    """The path of a method by its short name."""
    service, _, name = short.partition(".")
    return f"plexus.{service}.v1.{service.capitalize()}Service/{name}"


def _service(
    name: str, methods: Mapping[str, Calls], tasks: Mapping[str, tuple[str, Calls]]
) -> Service:
    model = load().find("records.GetPatient")
    own = [
        replace(
            model,
            path=path_of(short),
            name=short.partition(".")[2],
            service=name,
            declared=_calls(calls),
            calls=MappingProxyType({call.method: call for call in _calls(calls)}),
        )
        for short, calls in methods.items()
        if short.startswith(f"{name}.")
    ]
    working = tuple(
        Task(short.partition(".")[2], path_of(feed) if feed else "", _calls(calls))
        for short, (feed, calls) in tasks.items()
        if short.startswith(f"{name}.")
    )
    return Service(name, f"plexus.{name}.v1.{name.capitalize()}Service", "", tuple(own), working)


def _calls(calls: Calls) -> tuple[Call, ...]:
    return tuple(Call(path_of(short), need, "an effect") for short, need in calls.items())
