"""What happens in the demo, in order."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from demo import outage
from demo.audit import audit
from demo.bundles import Content
from demo.clinics import CLINICS, open_clinics
from demo.intake import import_twice
from demo.journeys import Journeys, Stubs
from demo.load import Load
from demo.observations import Observations
from demo.promises import Facts, Intake, Journey, Phase
from demo.screen import Screen
from demo.tracer import Failure, trace_chat, trace_refusal
from demo.traces import Branch
from mesh.runtime.client import Platform
from mesh.runtime.starting import Step
from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub


@dataclass(frozen=True, slots=True)
class Plot:
    """How long and how hard. Times are in seconds, *rate* in journeys a second.

    *before*: all is well. *alone*: billing is dead. *both*: a replica of scheduling was killed, too.
    *after*: billing has caught up. Together with set-up and import less than 90 s on two cores.
    """

    replicas: int = 2
    seed: int = 1
    rate: float = 6.0
    before: float = 10.0
    alone: float = 5.0
    both: float = 7.0
    after: float = 10.0
    breaker_calls: int = 200
    patience: float = 20.0


@dataclass(frozen=True, slots=True)
class Ending:
    """What was observed, and what is told of it beside the promises. Times are in seconds.

    *waited* visits were completed while billing was dead; *degraded* answers lacked something and said
    so; *returns* were told to come back in a moment; *failures* counts tries by journey, phase and
    the reason that was given.
    """

    facts: Facts
    trace: Sequence[Branch]
    failure: Failure
    ready_in: float
    restored_in: float
    caught_up_in: float | None
    waited: int
    degraded: int
    returns: int
    failures: Mapping[tuple[Journey, Phase, str], int]


class Story:
    """Plays the demo on a platform that does not run yet."""

    def __init__(
        self, platform: Platform, contents: Sequence[Content], plot: Plot, screen: Screen
    ) -> None:
        self._platform = platform
        self._contents = contents
        self._plot = plot
        self._screen = screen
        self._seen = Observations()
        self._load: Load | None = None

    def play(self) -> Ending:
        """Everything, from an empty folder to the last check."""
        ready_in = self._bring_up()
        intake, patients = self._import()
        stubs = Stubs(self._platform)
        self._open_clinics(stubs)
        load = Load(Journeys(stubs, patients, self._seen, self._plot.seed), self._plot.rate)
        self._load = load
        self._begin(load)
        self._rest(self._plot.before)
        trace_services, roots = trace_chat(self._platform, stubs.triage, patients)
        self._screen.tell(f"traced one chat through {', '.join(trace_services)}")
        breaker_ms, failure = self._break(stubs)
        restored_in, caught_up_in, waited = self._mend(stubs, load)
        self._finish(stubs, load)
        books = audit(stubs.scheduling, stubs.billing, self._seen.completions, self._seen.received)
        self._screen.tell("asked scheduling and billing for everything they hold")
        facts = Facts(intake, self._seen.tallies(), breaker_ms, books, trace_services)
        return Ending(
            facts=facts,
            trace=roots,
            failure=failure,
            ready_in=ready_in,
            restored_in=restored_in,
            caught_up_in=caught_up_in,
            waited=waited,
            degraded=self._seen.degradations().total(),
            returns=self._seen.returns,
            failures=self._seen.failures(),
        )

    def close(self) -> None:
        """Stop the load, however far the story is."""
        if self._load is not None:
            self._load.close()

    def _bring_up(self) -> float:
        self._screen.stage("start")
        began = time.monotonic()
        self._platform.up(replicas=self._plot.replicas, tell=self._started)
        taken = time.monotonic() - began
        count = sum(1 for process in self._platform.processes() if process.service)
        self._screen.tell(f"{count} replicas and the control plane are ready after {taken:.1f} s")
        return taken

    def _started(self, step: Step) -> None:
        if step.name in ("state folder", "ready"):
            return
        # Only now is there a platform to look at.
        self._screen.watch(self._platform, self._seen)
        self._screen.tell(f"{step.name}: {step.fact}")

    def _import(self) -> tuple[Intake, list[str]]:
        self._screen.stage("import")
        stub = RecordsServiceStub(self._platform.channel("records"))
        intake, patients = import_twice(stub, self._contents, self._imported)
        self._screen.tell(f"imported all of it again: {intake.again} added")
        return intake, patients

    def _imported(self, intake: Intake) -> None:
        self._screen.tell(
            f"imported {intake.patients} patients, {intake.resources:,} resources in "
            f"{intake.seconds:.1f} s ({intake.resources / max(intake.seconds, 0.001):,.0f} a second)"
        )

    def _open_clinics(self, stubs: Stubs) -> None:
        count = open_clinics(stubs.scheduling, doctors_a_shift=2)
        zones = " and ".join(zone for _, zone in CLINICS)
        self._screen.tell(f"opened clinics in {zones}, {count} practitioners")

    def _begin(self, load: Load) -> None:
        self._screen.stage("before")
        load.start()
        self._screen.tell(f"{self._plot.rate:g} patients a second begin their journeys")

    def _break(self, stubs: Stubs) -> tuple[list[float], Failure]:
        self._screen.stage("during")
        self._seen.phase = Phase.DURING
        killed = outage.kill(self._platform, "billing", hold_down=True)
        self._screen.alarm(f"kill -9 {' '.join(killed)}: billing is gone")
        began = time.monotonic()
        answers = outage.measure_breaker(
            stubs.billing, self._plot.breaker_calls, self._plot.alone + 5.0
        )
        if answers:
            middle = sorted(answers)[len(answers) // 2]
            self._screen.tell(f"the breaker is open: {len(answers)} refusals, {middle:.3f} ms each")
        failure = trace_refusal(self._platform, stubs.billing)
        self._rest(began + self._plot.alone - time.monotonic())
        self._wound("scheduling-1")
        return answers, failure

    def _wound(self, name: str) -> None:
        """Kill one replica of several; the runtime starts it again."""
        began = time.monotonic()
        pid = outage.kill(self._platform, name, hold_down=False)[name]
        self._screen.alarm(f"kill -9 {name}: its calls go to the others")
        back = outage.await_successor(self._platform, name, pid, self._plot.both)
        if back is not None:
            self._screen.good(f"{name} is ready again, {back:.1f} s after it was killed")
        self._rest(began + self._plot.both - time.monotonic())

    def _mend(self, stubs: Stubs, load: Load) -> tuple[float, float | None, int]:
        completed = self._seen.completions
        waited = len(completed) - self._seen.claims
        self._screen.tell(f"{waited} completed appointments wait for billing")
        restored_in = outage.restore(self._platform, stubs.billing, self._plot.replicas)
        self._seen.phase = Phase.AFTER
        self._screen.stage("after")
        self._screen.good(f"billing answers again, {restored_in:.1f} s after it was started")
        caught_up_in = outage.await_claims(
            stubs.billing, completed, self._seen, self._plot.patience
        )
        if caught_up_in is None:
            self._screen.alarm(f"billing has not caught up after {self._plot.patience:g} s")
        else:
            self._screen.good(f"billing caught up {caught_up_in:.1f} s later: each has its claim")
        self._screen.tell(f"{load.collect()} patients who could not pay come back")
        self._rest(self._plot.after)
        return restored_in, caught_up_in, waited

    def _finish(self, stubs: Stubs, load: Load) -> None:
        self._screen.stage("check")
        load.finish(self._plot.patience)
        outage.await_claims(stubs.billing, self._seen.completions, self._seen, self._plot.patience)
        self._screen.tell(f"{load.started} journeys are over")

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))
            if self._load is not None:
                self._load.check()
