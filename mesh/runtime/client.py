"""The platform from outside: what commands, the demo and chaos runs do with it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mesh.audit.joining import settle_all
from mesh.runtime import ledger, starting
from mesh.runtime.access import Access, control_plane_answers, edge_tuning, not_running
from mesh.runtime.errors import (
    ControlPlaneDown,
    Mistake,
    TargetUnknown,
    TraceUnknown,
)
from mesh.runtime.home import Home
from mesh.runtime.readiness import certificates, give_up_on_hopeless, not_ready, ready_replicas
from mesh.runtime.starting import Step, Tell
from mesh.topology import CONTROL_PLANE
from plexus.client import Channel, Tuning, channel
from plexus.errors import NotFound, PlexusError
from plexus.mesh.v1 import registry_service_pb2 as registry
from plexus.mesh.v1 import runtime_service_pb2 as runtime
from plexus.mesh.v1.registry_service_pb2_grpc import RegistryServiceStub
from plexus.mesh.v1.runtime_service_pb2_grpc import RuntimeServiceStub

_POLL = 0.1
_OBSERVER_PATIENCE = 15.0

SIGNALS: Mapping[signal.Signals, runtime.Signal.ValueType] = {
    signal.SIGTERM: runtime.SIGNAL_TERM,
    signal.SIGKILL: runtime.SIGNAL_KILL,
    signal.SIGSTOP: runtime.SIGNAL_STOP,
    signal.SIGCONT: runtime.SIGNAL_CONT,
}


class Platform:
    """The platform in one state folder, by default PLEXUS_HOME or `.plexus`. Methods raise Mistake.

    *subject* is whom the access token speaks for; *sampling* the share of the calls made through
    `channel` that are traced, by default whatever the service that is called decides. A process can be
    in one mesh only, so `channel` serves one state folder in the life of a process.
    """

    def __init__(
        self,
        home: Path | str | None = None,
        *,
        subject: str = "plexus",
        sampling: float | None = None,
    ) -> None:
        self.home = Home.at(Path(home or os.environ.get("PLEXUS_HOME") or ".plexus"))
        self._access = Access(self.home, subject, edge_tuning(sampling))
        self._local: Channel | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Platform:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def is_running(self) -> bool:
        """Whether a runtime runs in the state folder."""
        return self.home.is_held()

    def up(
        self,
        *,
        replicas: int | None = None,
        topology: Path | None = None,
        sampling: float = 1.0,
        timeout: float = 60.0,
        tell: Tell = lambda _: None,
        attached: bool = False,
        jaeger: Path | None = None,
        prometheus: Path | None = None,
    ) -> bool:
        """Start everything, and return when every replica is ready; False when it ran already.

        *replicas* of each service, by default what the topology says. *sampling* is the share of
        traces that services record. StartFailed leaves running what runs, to be looked into.
        When *attached*, Ctrl-C in this terminal ends the platform; see `wait_end`. *jaeger* and
        *prometheus* are programs to run beside it; see `mesh.runtime.programs`.
        """
        began = time.monotonic()
        if self.is_running():
            return False
        path = starting.find_topology(topology)
        services = starting.read_topology(path).services.values()
        starting.check_addresses(os.environ)
        self.home.make()
        tell(Step("state folder", str(self.home.path)))
        line = starting.command(self.home, path, replicas, sampling, jaeger, prometheus)
        self._process = starting.spawn(line, self.home, attached=attached)
        starting.await_socket(self.home, self._process, began + timeout)
        counts = {s.name: s.replicas if replicas is None else replicas for s in services}
        self._await_start(counts, began, timeout, tell)
        self._tell_observers(tell)
        return True

    def observers(self) -> dict[str, str]:
        """Where Jaeger and Prometheus answer, as `host:port` by name, if `up` started them."""
        found = ledger.read(self.home)
        told = {"jaeger": found.jaeger, "prometheus": found.prometheus} if found else {}
        return {name: address for name, address in told.items() if address}

    def down(self, *, force: bool = False) -> int:
        """Stop everything, replicas first, and return how many processes were stopped.

        After a runtime that was killed it ends what is left. NotRunning when there was nothing.
        With *force* the runtime is killed, and everything with it, without a drain.
        """
        self.close()
        if force or not self.is_running():
            return self._end_by_force()
        with self._runtime() as stub:
            stopped = stub.StopPlatform(runtime.StopPlatformRequest()).stopped
        self.close()
        self._await_end()
        return stopped

    def _end_by_force(self) -> int:
        found = ledger.read(self.home)
        alive = [e for e in found.entries if e.born and e.born.is_alive()] if found else []
        killed = found is not None and found.runtime.send(signal.SIGKILL)
        if killed or alive:
            self._await_end()
            ledger.end_leftovers(self.home)
        # What was killed has left the newest records in memory.
        settle_all(Path(os.environ.get("PLEXUS_AUDIT") or self.home.path / "audit"))
        if not killed and not alive:
            raise not_running(self.home)
        return len(alive)

    def _await_end(self) -> None:
        self.wait_end()
        deadline = time.monotonic() + 5.0
        while self.is_running() and time.monotonic() < deadline:
            time.sleep(_POLL / 5)

    def wait_end(self) -> None:
        """Wait until the runtime that `up` started here has ended; at once when it did not."""
        if self._process is not None:
            self._process.wait()
            self._process = None

    def processes(self) -> list[runtime.Process]:
        """Every process that should run; NotRunning."""
        with self._runtime() as stub:
            return list(stub.ListProcesses(runtime.ListProcessesRequest()).processes)

    def status(self) -> registry.GetMeshStatusResponse:
        """The mesh as the control plane sees it; NotRunning, ControlPlaneDown."""
        self._require_running()
        with control_plane_answers():
            stub = RegistryServiceStub(self._access.operator())
            return stub.GetMeshStatus(registry.GetMeshStatusRequest())

    def signal(
        self, target: str, number: signal.Signals, *, hold_down: bool = False
    ) -> list[runtime.Process]:
        """Send a signal to a process or to all replicas of a service; TargetUnknown.

        *number* is SIGTERM, SIGKILL, SIGSTOP or SIGCONT. With *hold_down* the processes are not
        started again until the service is scaled.
        """
        request = runtime.SignalProcessRequest(
            target=target, signal=SIGNALS[number], hold_down=hold_down
        )
        with self._runtime() as stub:
            return list(stub.SignalProcess(request).processes)

    def scale(self, service: str, replicas: int) -> list[runtime.Process]:
        """Set how many replicas run, those held down included; TargetUnknown.

        Returns when the surplus has drained; `wait_ready` waits for new ones.
        """
        request = runtime.ScaleServiceRequest(service=service, replicas=replicas)
        with self._runtime() as stub:
            return list(stub.ScaleService(request).processes)

    def wait_ready(
        self, services: Iterable[str] | None = None, timeout: float = 30.0
    ) -> registry.GetMeshStatusResponse:
        """Wait until every process of *services*, by default of all, is READY in the mesh; NotReady.

        A process that is held down is not waited for.
        """
        deadline = time.monotonic() + timeout
        wanted = None if services is None else frozenset(services)
        while True:
            expected = [
                process
                for process in self.processes()
                if process.service
                and (wanted is None or process.service in wanted)
                and process.state != runtime.PROCESS_STATE_HELD_DOWN
            ]
            status = self._status_or_none()
            ready = ready_replicas(status)
            missing = [p.name for p in expected if ready.get(p.name) != p.pid or not p.pid]
            if status is not None and not missing:
                return status
            if time.monotonic() > deadline:
                raise not_ready(missing, expected, timeout)
            time.sleep(_POLL)

    def channel(self, workload: str) -> Channel:
        """A channel to a service through the mesh, as the edge, with a token for every scope."""
        self._require_running()
        return self._access.mesh(workload)

    def operator_channel(self) -> Channel:
        """A channel to the control plane, as the operator."""
        self._require_running()
        return self._access.operator()

    def runtime_channel(self) -> Channel:
        """A channel to the runtime; NotRunning."""
        self._require_running()
        if self._local is None:
            untraced = Tuning(sampling=None)
            self._local = channel(f"unix:{self.home.runtime_socket}", tuning=untraced)
        return self._local

    def trace(self, trace_id: str) -> list[runtime.Span]:
        """The spans of a trace that were kept, by start time; TraceUnknown."""
        return list(self.find_trace(trace_id).spans)

    def find_trace(self, trace_id: str) -> runtime.GetTraceResponse:
        """The spans of a trace, and what followed from it; TraceUnknown."""
        try:
            with self._runtime() as stub:
                return stub.GetTrace(runtime.GetTraceRequest(trace_id=trace_id))
        except NotFound:
            raise TraceUnknown(
                f"no span of trace {trace_id} was kept",
                "the last 20,000 are kept, of calls that were sampled; is it the whole id?",
            ) from None

    def traces(
        self, *, errors: bool = False, service: str = "", slower: float = 0.0, limit: int = 0
    ) -> list[runtime.TraceSummary]:
        """The last traces that were kept, the newest first; *slower* is in seconds. NotRunning.

        With *errors* those in which a call failed, with *service* those that it took part in.
        """
        request = runtime.ListTracesRequest(errors=errors, service=service, limit=limit)
        if slower:
            request.min_duration.FromNanoseconds(int(slower * 1e9))
        with self._runtime() as stub:
            return list(stub.ListTraces(request).traces)

    def close(self) -> None:
        """Close every channel. The platform goes on."""
        self._access.close()
        if self._local is not None:
            self._local.close()
            self._local = None

    @contextmanager
    def _runtime(self) -> Iterator[RuntimeServiceStub]:
        try:
            yield RuntimeServiceStub(self.runtime_channel())
        except NotFound as error:
            if "target" not in error.metadata:
                raise
            raise TargetUnknown(
                f"there is no process or service {error.metadata['target']}",
                f"known are {error.metadata['known']}",
            ) from None
        except PlexusError as error:
            raise Mistake(
                f"the runtime refuses: {error.details()}"
                if error.violations
                else f"the runtime does not answer: {error.reason}",
                "see `plexus logs runtime`",
            ) from None

    def _tell_observers(self, tell: Tell) -> None:
        for name, address in self.observers().items():
            silent = not starting.await_answer(address, _OBSERVER_PATIENCE)
            more = f"; it does not answer yet, see `plexus logs {name}`" if silent else ""
            tell(Step(name, f"http://{address}{more}"))

    def _require_running(self) -> None:
        if not self.is_running():
            raise not_running(self.home)

    def _status_or_none(self) -> registry.GetMeshStatusResponse | None:
        try:
            return self.status()
        except ControlPlaneDown:
            return None

    def _await_start(
        self, counts: Mapping[str, int], began: float, timeout: float, tell: Tell
    ) -> None:
        untold = dict(counts)
        control_plane_told = False
        while True:
            processes = self.processes()
            give_up_on_hopeless(processes)
            status = self._status_or_none()
            if status is not None and not control_plane_told:
                control_plane_told = True
                found = ledger.read(self.home)
                tell(Step("control plane", found.control_plane if found else ""))
            ready = ready_replicas(status)
            for service, count in list(untold.items()):
                here = [p for p in processes if p.service == service and p.pid == ready.get(p.name)]
                if len(here) >= count and status is not None:
                    del untold[service]
                    tell(Step(service, f"{len(here)} of {count} ready"))
            if status is not None and not untold:
                tell(Step("certificates", certificates(status)))
                tell(Step("ready", f"{time.monotonic() - began:.1f} s"))
                return
            if time.monotonic() > began + timeout:
                raise not_ready(sorted(untold) or [CONTROL_PLANE], processes, timeout)
            time.sleep(_POLL)
