"""Reads services, methods and the calls between them from descriptors.

Descriptors may come from any pool: the generated one, or one built from an image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import IntEnum
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import plexus
from plexus.contract.fields import DataClass, contents
from plexus.contract.vocabulary import VOCABULARY
from plexus.policy.v1 import policy_pb2 as policy

if TYPE_CHECKING:
    from google.protobuf.descriptor import (
        Descriptor,
        EnumDescriptor,
        FileDescriptor,
        MethodDescriptor,
        ServiceDescriptor,
    )


# What is not classified may be anything.
_HARMLESS = frozenset({DataClass.OPERATIONAL, DataClass.SECRET})

TELLING = "accesses"
"""The task of every service with audited methods: it tells its audit records to who lists them."""


class ContractError(Exception):
    """A contract leaves unsaid what it must say, or is asked for what it does not hold."""

    tells_no_values = True


class Criticality(IntEnum):
    """The order of load shedding: the smallest is shed last."""

    UNSPECIFIED = 0
    VITAL = 1
    ROUTINE = 2
    SHEDDABLE = 3


class Need(IntEnum):
    """Whether a caller can answer without a callee."""

    UNSPECIFIED = 0
    REQUIRED = 1
    OPTIONAL = 2


class Audience(IntEnum):
    """Who may call besides declared callers and the edge."""

    CALLERS = 0
    WORKLOADS = 1
    OPERATOR = 2
    JOINING = 3
    AUDITED = 4


@dataclass(frozen=True, slots=True)
class Call:
    """A declared call: an edge of the call graph."""

    method: str
    need: Need
    effect: str


@dataclass(frozen=True, slots=True)
class Task:
    """Background work of a service: the feed that drives it, if any, and the calls it makes."""

    name: str
    follows: str
    calls: tuple[Call, ...]

    @property
    def declared(self) -> Mapping[str, Call]:
        """Every call the task may make, the feed that drives it included, by method."""
        calls = {call.method: call for call in self.calls}
        if self.follows:
            calls[self.follows] = Call(method=self.follows, need=Need.REQUIRED, effect="")
        return MappingProxyType(calls)


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC and what it promises. *deadline* is in seconds; *path* is `pkg.Service/Name`.

    *declared* is the calls as written, *calls* the same by callee.
    """

    path: str
    name: str
    service: str
    file: str
    stated: bool
    deadline: float
    criticality: Criticality
    scope: str
    audience: Audience
    declared: tuple[Call, ...]
    calls: Mapping[str, Call]
    read_only: bool
    repeatable: bool
    client_streaming: bool
    server_streaming: bool
    input: Descriptor
    output: Descriptor
    names_nobody: str = ""

    @property
    def touches(self) -> frozenset[DataClass]:
        """What request and response can reveal of a person. Nothing: the call is not audited."""
        return (contents(self.input) | contents(self.output)) - _HARMLESS

    @property
    def audited(self) -> bool:
        """Whether every call leaves an audit record. It follows from the fields; nobody states it."""
        return bool(self.touches) and self.audience is not Audience.AUDITED

    @property
    def wire_path(self) -> str:
        """The path as gRPC sends it."""
        return "/" + self.path

    @property
    def short(self) -> str:
        """The name a person uses, such as `records.GetPatient`."""
        return f"{self.service}.{self.name}"

    @property
    def takes_request_id(self) -> bool:
        """Whether the request carries the client's name for it."""
        return "request_id" in self.input.fields_by_name

    @property
    def reports_degradation(self) -> bool:
        """Whether the response can say what it lacks."""
        field = self.output.fields_by_name.get("degradations")
        return (
            field is not None
            and field.is_repeated
            and field.message_type is not None
            and field.message_type.full_name == "plexus.type.v1.Degradation"
        )


@dataclass(frozen=True, slots=True)
class Service:
    """One service: *name* is its workload, such as `records`; *full_name* the proto's."""

    name: str
    full_name: str
    file: str
    methods: tuple[Method, ...]
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class Contract:
    """Everything the contracts state, and what follows from it."""

    services: tuple[Service, ...]
    files: tuple[FileDescriptor, ...] = ()

    @cached_property
    def methods(self) -> Mapping[str, Method]:
        """Every method, by `pkg.Service/Name`."""
        return MappingProxyType({m.path: m for s in self.services for m in s.methods})

    @cached_property
    def workloads(self) -> Mapping[str, tuple[Service, ...]]:
        """The services of each workload: `records` → (RecordsService,)."""
        found: dict[str, tuple[Service, ...]] = {}
        for service in self.services:
            found[service.name] = (*found.get(service.name, ()), service)
        return MappingProxyType(found)

    @cached_property
    def access_log(self) -> Method | None:
        """The method that audit records are told to; None when no contract has one."""
        return _access_log(self.services)

    @cached_property
    def callers(self) -> Mapping[str, frozenset[str]]:
        """Which workloads declare a call to each method. This is the access table."""
        found: dict[str, set[str]] = {path: set() for path in self.methods}
        for service in self.services:
            for target in _targets(service):
                found.setdefault(target, set()).add(service.name)
        return MappingProxyType({path: frozenset(names) for path, names in found.items()})

    @cached_property
    def messages(self) -> tuple[Descriptor, ...]:
        """Every message that can travel, nested ones too, by full name."""
        found = (m for file in self.files for m in file.message_types_by_name.values())
        return tuple(sorted(_nested(found), key=lambda message: message.full_name))

    @cached_property
    def error_enums(self) -> tuple[EnumDescriptor, ...]:
        """The enums of every `errors.proto`, by full name."""
        errors = (file for file in self.files if file.name.endswith("/errors.proto"))
        found = (enum for file in errors for enum in file.enum_types_by_name.values())
        return tuple(sorted(found, key=lambda enum: enum.full_name))

    @cached_property
    def scopes(self) -> frozenset[str]:
        """Every token scope that some method states."""
        return frozenset(m.scope for m in self.methods.values() if m.scope)

    def method(self, path: str) -> Method:
        """The method at `pkg.Service/Name`, with or without a leading slash; else ContractError."""
        try:
            return self.methods[path.lstrip("/")]
        except KeyError:
            raise ContractError(f"no contract has the method {path}") from None

    def find(self, name: str) -> Method:
        """The method a person means: `records.GetPatient`, or its path; else ContractError."""
        if found := self._by_short_name.get(name):
            return found
        if "/" in name:
            return self.method(name)
        close = get_close_matches(name, self._by_short_name, n=1)
        mend = f"; did you mean {close[0]}?" if close else ""
        raise ContractError(f"no contract has the method {name}{mend}")

    @cached_property
    def _by_short_name(self) -> Mapping[str, Method]:
        return {method.short: method for method in self.methods.values()}

    def dependencies(self, workload: str) -> frozenset[str]:
        """The workloads that *workload* calls."""
        return frozenset(
            self.methods[target].service
            for service in self.workloads.get(workload, ())
            for target in _targets(service)
            if target in self.methods
        )


@cache
def load() -> Contract:
    """Read every contract that is compiled into the `plexus` package."""
    return read(_files())


def read(files: Iterable[FileDescriptor]) -> Contract:
    """Read the services, messages and errors of *files*; the vocabulary itself is passed over."""
    stating = tuple(file for file in files if not file.package.startswith(VOCABULARY))
    services = [_service(s) for file in stating for s in file.services_by_name.values()]
    log = _access_log(services)
    told = (_telling(service, log) if log else service for service in services)
    return Contract(
        services=tuple(sorted(told, key=lambda service: service.full_name)), files=stating
    )


def _files() -> Iterator[FileDescriptor]:
    for module in sorted(Path(plexus.__path__[0]).glob("*/v1/*_pb2.py")):
        yield import_module(f"plexus.{module.parts[-3]}.v1.{module.stem}").DESCRIPTOR


def _access_log(services: Iterable[Service]) -> Method | None:
    found = (m for s in services for m in s.methods if m.audience is Audience.AUDITED)
    return next(found, None)


def _telling(service: Service, log: Method) -> Service:
    """The service with the task that follows from its audited methods. Who keeps the log tells itself."""
    if log.service == service.name or not any(method.audited for method in service.methods):
        return service
    call = Call(log.path, Need.OPTIONAL, effect="accesses are listed later")
    return replace(service, tasks=(*service.tasks, Task(TELLING, "", (call,))))


def _nested(messages: Iterable[Descriptor]) -> Iterator[Descriptor]:
    for message in messages:
        yield message
        yield from _nested(message.nested_types)


def _service(descriptor: ServiceDescriptor) -> Service:
    stated = descriptor.GetOptions().Extensions[policy.service]
    name = workload_of(descriptor.full_name)
    return Service(
        name=name,
        full_name=descriptor.full_name,
        file=descriptor.file.name,
        methods=tuple(_method(method, name) for method in descriptor.methods),
        tasks=tuple(
            Task(name=task.name, follows=task.follows, calls=tuple(map(_call, task.calls)))
            for task in stated.tasks
        ),
    )


def _method(descriptor: MethodDescriptor, workload: str) -> Method:
    options = descriptor.GetOptions()
    stated = options.Extensions[policy.method]
    service = descriptor.containing_service
    declared = tuple(map(_call, stated.calls))
    return Method(
        path=f"{service.full_name}/{descriptor.name}",
        name=descriptor.name,
        service=workload,
        file=service.file.name,
        stated=bool(stated.deadline_ms and stated.criticality),
        deadline=stated.deadline_ms / 1000,
        criticality=Criticality(stated.criticality),
        scope=stated.scope,
        audience=Audience(stated.audience),
        declared=declared,
        calls=MappingProxyType({call.method: call for call in declared}),
        read_only=options.idempotency_level == options.NO_SIDE_EFFECTS,
        repeatable=options.idempotency_level != options.IDEMPOTENCY_UNKNOWN,
        client_streaming=descriptor.client_streaming,
        server_streaming=descriptor.server_streaming,
        input=descriptor.input_type,
        output=descriptor.output_type,
        names_nobody=stated.names_nobody,
    )


def _call(stated: policy.Call) -> Call:
    return Call(method=stated.method, need=Need(stated.need), effect=stated.effect)


def _targets(service: Service) -> Iterator[str]:
    for method in service.methods:
        yield from method.calls
    for task in service.tasks:
        yield from filter(None, (task.follows, *(call.method for call in task.calls)))


def workload_of(full_name: str) -> str:
    """The workload that serves `plexus.<workload>.v1.…`."""
    return full_name.split(".")[1]
