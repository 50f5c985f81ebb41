"""Keeps every process of a plan running. Used from one event loop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping

from mesh.runtime.birth import Born
from mesh.runtime.kept import Kept
from mesh.runtime.ledger import Entry, Ledger
from mesh.runtime.plan import Plan, Spec

# A replica drains, which it gives ten seconds itself. The control plane has nothing to finish.
_REPLICA_GRACE = 13.0
_CONTROL_PLANE_GRACE = 3.0
_OBSERVER_GRACE = 3.0
_POLL = 0.02


class UnknownTarget(Exception):
    """No process or service of that name; *known* lists those there are."""

    def __init__(self, target: str, known: tuple[str, ...]) -> None:
        super().__init__(target)
        self.target = target
        self.known = known


class Supervisor:
    """The processes of one plan: the control plane first, then replicas, by service and number."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        # Its writing end is held by this process alone; see `child`.
        self._alive, self._living = os.pipe()
        self._control_plane = self._kept(plan.control_plane_process())
        self._replicas: dict[str, dict[int, Kept]] = {name: {} for name in plan.topology.services}
        self._observers = [self._kept(spec) for spec in plan.observer_processes()]
        self._self = Born.of(os.getpid())
        self._stopping = False

    @property
    def processes(self) -> list[Kept]:
        """Every process that should run."""
        replicas = (kept for name in self._replicas for kept in self._of(name))
        return [self._control_plane, *replicas, *self._observers]

    async def start(self, replicas: Mapping[str, int], patience: float = 10.0) -> None:
        """Start the control plane, and all replicas at once when it answers.

        After *patience* seconds they are started anyway: each finds the control plane by itself.
        """
        self._control_plane.start()
        await self._control_plane_answers(patience)
        if not self._stopping:
            for service, count in replicas.items():
                self._grow(service, count)
            for observer in self._observers:
                observer.start()

    def find(self, target: str) -> list[Kept]:
        """The process of that name, or all replicas of the service; UnknownTarget."""
        if target in self._replicas:
            return self._of(target)
        found = [kept for kept in self.processes if kept.name == target]
        if not found:
            raise UnknownTarget(target, self._known())
        return found

    async def send(self, target: str, number: signal.Signals, *, hold: bool) -> list[Kept]:
        """Send a signal to every process of *target*; UnknownTarget."""
        found = self.find(target)
        await asyncio.gather(*(kept.send(number, hold=hold) for kept in found))
        return found

    async def scale(self, service: str, count: int) -> list[Kept]:
        """Let *count* replicas run, those that were held down included; UnknownTarget.

        The replicas with the highest numbers go first. Of the control plane, and of what observes,
        there is one: 1 lets one that was held down run again, 0 holds it down.
        """
        for alone in (self._control_plane, *self._observers):
            if service == alone.name:
                return await _scale_alone(alone, count)
        if service not in self._replicas:
            raise UnknownTarget(service, self._known())
        self._grow(service, count)
        surplus = [n for n in self._replicas[service] if n > count]
        await self._remove(service, surplus)
        return self._of(service)

    async def stop(self) -> int:
        """Stop everything for good, replicas first; how many processes ran."""
        self._stopping = True
        running = sum(kept.born is not None for kept in self.processes)
        replicas = [kept for name in self._replicas for kept in self._of(name)]
        await asyncio.gather(*(kept.stop(_REPLICA_GRACE) for kept in replicas))
        await self._control_plane.stop(_CONTROL_PLANE_GRACE)
        # They see the end of everything else.
        await asyncio.gather(*(kept.stop(_OBSERVER_GRACE) for kept in self._observers))
        self.write_ledger()
        return running

    def write_ledger(self) -> None:
        """Write down what runs."""
        ledger = Ledger(
            runtime=self._self,
            control_plane=self._plan.control_plane,
            identity=self._plan.identity,
            topology=str(self._plan.topology_path),
            entries=tuple(map(_entry, self.processes)),
            jaeger=self._plan.observers.ui if self._plan.observers else "",
            prometheus=self._plan.observers.prometheus_address if self._plan.observers else "",
        )
        ledger.write(self._plan.home)

    def _of(self, service: str) -> list[Kept]:
        return [self._replicas[service][number] for number in sorted(self._replicas[service])]

    def _known(self) -> tuple[str, ...]:
        return (*self._replicas, *(kept.name for kept in self.processes))

    def _grow(self, service: str, count: int) -> None:
        for number in range(1, count + 1):
            running = self._replicas[service].get(number)
            if running is None:
                running = self._kept(self._plan.replica(service, number))
                self._replicas[service][number] = running
                running.start()
            else:
                running.release()

    async def _remove(self, service: str, numbers: list[int]) -> None:
        going = [self._replicas[service][number] for number in numbers]
        await asyncio.gather(*(kept.stop(_REPLICA_GRACE) for kept in going))
        for number in numbers:
            self._replicas[service].pop(number, None)
        self.write_ledger()

    def _kept(self, spec: Spec) -> Kept:
        return Kept(
            name=spec.name,
            service=spec.service,
            command=self._plan.command(spec, self._alive),
            environment=lambda: self._plan.environment(spec),
            log=spec.log,
            alive=self._alive,
            changed=self.write_ledger,
        )

    async def _control_plane_answers(self, patience: float) -> None:
        host, _, port = self._plan.identity.rpartition(":")
        deadline = asyncio.get_running_loop().time() + patience
        while asyncio.get_running_loop().time() < deadline and not self._stopping:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                await asyncio.sleep(_POLL)
                continue
            writer.close()
            return


async def _scale_alone(kept: Kept, count: int) -> list[Kept]:
    if count:
        kept.release()
    else:
        await kept.send(signal.SIGTERM, hold=True)
    return [kept]


def _entry(kept: Kept) -> Entry:
    born = kept.born
    return Entry(
        name=kept.name,
        service=kept.service,
        pid=born.pid if born else 0,
        birth=born.birth if born else "",
        state=kept.state.value,
        restarts=kept.restarts,
    )
