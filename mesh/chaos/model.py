"""What a chaos run is made of: frozen values, without I/O.

Times are in seconds. What happened is told on the monotonic clock, what is planned from the start of
an experiment. Methods go by their short names, such as `records.GetPatient`, journeys by their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

FAILURES = frozenset(
    {
        "CANCELLED",
        "DATA_LOSS",
        "DEADLINE_EXCEEDED",
        "INTERNAL",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "UNAUTHENTICATED",
        "UNAVAILABLE",
        "UNIMPLEMENTED",
        "UNKNOWN",
    }
)
"""Outcomes that are no answer. A business refusal, such as SLOT_TAKEN, is one."""


class Kind(StrEnum):
    """What can be done to the platform."""

    KILL = "kill"
    TERMINATE = "terminate"
    STOP = "stop"
    SLOW = "slow"
    FAIL = "fail"
    XDS_ABORT = "xds_abort"
    XDS_DELAY = "xds_delay"
    DATABASE_LOCKED = "database_locked"
    DATABASE_GONE = "database_gone"
    DISK_FULL = "disk_full"
    RESET = "reset"
    BLACKHOLE = "blackhole"
    DELAY = "delay"
    CERTIFICATE_EXPIRED = "certificate_expired"
    BAD_SNAPSHOT = "bad_snapshot"
    CONTROL_PLANE_DOWN = "control_plane_down"
    CLOCK_STEP = "clock_step"


class Effect(StrEnum):
    """What becomes of a method, or of background work, when something is taken away."""

    WORKS = "works"
    DEGRADED = "degraded"
    FAILS = "fails"
    CATCHES_UP = "catches up"
    BROKEN = "BROKEN"
    UNTESTED = "not run"


@dataclass(frozen=True, slots=True)
class Observation:
    """One call, or one journey, as its caller saw it.

    *outcome* is the gRPC status name, *reason* what ErrorInfo says. *degraded* are the methods that
    the answer names as missing. *late*: it was not answered within the method's deadline.
    """

    method: str
    started: float
    ended: float
    outcome: str = "OK"
    reason: str = ""
    degraded: tuple[str, ...] = ()
    late: bool = False

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.started

    @property
    def failed(self) -> bool:
        """Whether there was no answer."""
        return self.outcome in FAILURES


@dataclass(frozen=True, slots=True)
class Load:
    """How often a method or journey is called: *rate* a second in all, by *clients* at once."""

    method: str
    rate: float
    clients: int = 2


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """One fault: what, to whom, when, for how long.

    *target* is a process such as `records-1`, a service, a method's short name, or a pattern of
    processes such as `records-*`, of which the seed picks one. With *seconds* 0 it is done and not
    undone: a killed process is started again by its supervisor. *jitter* moves *at* by up to that much.
    """

    kind: Kind
    target: str
    at: float = 0.0
    seconds: float = 0.0
    jitter: float = 0.0
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must hold of a measure; a bound of None is not one, and the measure is only reported.

    *subject* is a pattern of method names. Only calls begun between *since* and *until* seconds after
    a fault was injected count; with neither, all of them do.
    """

    name: str
    measure: str
    subject: str = "*"
    since: float | None = None
    until: float | None = None
    at_most: float | None = None
    at_least: float | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """Counts the calls of a method that a caller makes, at the servers, retries and hedges included.

    With *per* it is counted for each call of that method of the load.
    """

    name: str
    method: str
    caller: str
    per: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the contracts say of one method, or of a task, while something is gone.

    *lacks* are the methods of which an answer may say that it does without them. *edges* are the
    declared calls that the loss takes away from the method, as its callees.
    """

    method: str
    effect: Effect
    lacks: frozenset[str] = frozenset()
    edges: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment. *where* names the loss in the matrix; empty when the matrix has no row of it.

    *figure* is the key of the report that its measures go to. *subset*: short enough for every change.
    *settles*: a replica that hangs costs a blip; a cell is not held to calls begun so soon after that,
    of which an expectation says how many there may be.
    """

    name: str
    about: str
    seconds: float
    workload: tuple[Load, ...]
    faults: tuple[FaultSpec, ...] = ()
    holds: tuple[Expectation, ...] = ()
    expects: tuple[Expected, ...] = ()
    counts: tuple[Count, ...] = ()
    where: str = ""
    settles: float = 0.0
    seed: int = 1
    figure: str = ""
    subset: bool = False


@dataclass(frozen=True, slots=True)
class Happening:
    """A fault as it came: injected and lifted, on the monotonic clock."""

    spec: FaultSpec
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class CatchUp:
    """How background work made up for what it missed; *seconds* after the lift, None when it did not."""

    task: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Seen:
    """All that an experiment saw."""

    observations: tuple[Observation, ...]
    happenings: tuple[Happening, ...]
    began: float
    ended: float
    catch_ups: tuple[CatchUp, ...] = ()
    counted: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the blast-radius matrix: what was declared and what was seen.

    *why* tells what is wrong with a BROKEN one. *numbers*: calls, failed, degraded, median_ms, p99_ms.
    """

    fault: str
    where: str
    method: str
    declared: Effect
    seen: Effect
    why: str = ""
    edges: frozenset[str] = frozenset()
    numbers: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A promise that was not kept: by which experiment, which promise, and what was seen instead."""

    experiment: str
    promise: str
    seen: str

    def __str__(self) -> str:
        return f"{self.experiment}: {self.promise}; seen: {self.seen}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an experiment. *skipped* says why it could not be run; empty when it was."""

    experiment: Experiment
    seen: Seen | None
    cells: tuple[Cell, ...] = ()
    figures: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    shortfalls: tuple[Shortfall, ...] = ()
    skipped: str = ""

    @property
    def held(self) -> bool:
        """Whether everything that was to hold did."""
        return not self.shortfalls
