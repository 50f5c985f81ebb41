"""RuntimeService: what an operator asks of the supervisor."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

import grpc

from mesh.runtime.kept import Kept
from mesh.runtime.observers import NAMES
from mesh.runtime.spans import LISTED, SpanStore
from mesh.runtime.supervisor import Supervisor, UnknownTarget
from mesh.topology import CONTROL_PLANE
from plexus.errors import Fault, Violation
from plexus.mesh.v1 import runtime_service_pb2 as runtime
from plexus.mesh.v1.errors_pb2 import MeshError
from plexus.mesh.v1.runtime_service_pb2_grpc import RuntimeServiceServicer
from plexus.type.v1.errors_pb2 import PlatformError

Answer = TypeVar("Answer")

SIGNALS = {
    runtime.SIGNAL_TERM: signal.SIGTERM,
    runtime.SIGNAL_KILL: signal.SIGKILL,
    runtime.SIGNAL_STOP: signal.SIGSTOP,
    runtime.SIGNAL_CONT: signal.SIGCONT,
}

_ALONE = frozenset({CONTROL_PLANE, *NAMES})
_REQUESTS_REMEMBERED = 1_000


class RuntimeServicer(RuntimeServiceServicer):
    """Called from gRPC's threads; the supervisor is only touched on its own event loop."""

    def __init__(
        self,
        supervisor: Supervisor,
        spans: SpanStore,
        loop: asyncio.AbstractEventLoop,
        end: Callable[[], None],
    ) -> None:
        self._supervisor = supervisor
        self._spans = spans
        self._loop = loop
        self._end = end
        self._signalled: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def ListProcesses(
        self, request: runtime.ListProcessesRequest, context: grpc.ServicerContext
    ) -> runtime.ListProcessesResponse:
        """Every process that should run."""
        del request, context
        return self._on_loop(self._list())

    def ScaleService(
        self, request: runtime.ScaleServiceRequest, context: grpc.ServicerContext
    ) -> runtime.ScaleServiceResponse:
        """Set the number of replicas."""
        del context
        if request.service in _ALONE and request.replicas > 1:
            raise _refused("replicas", f"there is one {request.service}".replace("-", " "))
        return self._on_loop(self._scale(request))

    def SignalProcess(
        self, request: runtime.SignalProcessRequest, context: grpc.ServicerContext
    ) -> runtime.SignalProcessResponse:
        """Send a signal, once for each request id."""
        del context
        return self._on_loop(self._signal(request, again=self._is_repeated(request.request_id)))

    def StopPlatform(
        self, request: runtime.StopPlatformRequest, context: grpc.ServicerContext
    ) -> runtime.StopPlatformResponse:
        """Stop every process, then the runtime."""
        del request, context
        stopped = self._on_loop(self._supervisor.stop())
        self._loop.call_soon_threadsafe(self._end)
        return runtime.StopPlatformResponse(stopped=stopped)

    def GetTrace(
        self, request: runtime.GetTraceRequest, context: grpc.ServicerContext
    ) -> runtime.GetTraceResponse:
        """The spans of a trace."""
        del context
        spans = self._spans.trace(request.trace_id)
        if not spans:
            raise Fault(MeshError, MeshError.MESH_ERROR_TRACE_UNKNOWN)
        followed_by = self._spans.followed_by(request.trace_id)
        return runtime.GetTraceResponse(spans=spans, followed_by=followed_by)

    def ListTraces(
        self, request: runtime.ListTracesRequest, context: grpc.ServicerContext
    ) -> runtime.ListTracesResponse:
        """The last traces, in a few words each."""
        del context
        found = self._spans.find(
            errors=request.errors,
            service=request.service,
            seconds=request.min_duration.ToNanoseconds() / 1e9,
            limit=request.limit or LISTED,
        )
        return runtime.ListTracesResponse(traces=found)

    def _on_loop(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _list(self) -> runtime.ListProcessesResponse:
        return runtime.ListProcessesResponse(processes=_told(self._supervisor.processes))

    async def _scale(self, request: runtime.ScaleServiceRequest) -> runtime.ScaleServiceResponse:
        try:
            found = await self._supervisor.scale(request.service, request.replicas)
        except UnknownTarget as unknown:
            raise _unknown(unknown) from None
        return runtime.ScaleServiceResponse(processes=_told(found))

    async def _signal(
        self, request: runtime.SignalProcessRequest, *, again: bool
    ) -> runtime.SignalProcessResponse:
        try:
            found = (
                self._supervisor.find(request.target)
                if again
                else await self._supervisor.send(
                    request.target, SIGNALS[request.signal], hold=request.hold_down
                )
            )
        except UnknownTarget as unknown:
            raise _unknown(unknown) from None
        return runtime.SignalProcessResponse(processes=_told(found))

    def _is_repeated(self, request_id: str) -> bool:
        if not request_id:
            return False
        with self._lock:
            if request_id in self._signalled:
                return True
            self._signalled[request_id] = None
            if len(self._signalled) > _REQUESTS_REMEMBERED:
                self._signalled.popitem(last=False)
            return False


def _told(processes: Iterable[Kept]) -> list[runtime.Process]:
    return [_process(kept) for kept in processes]


def _process(kept: Kept) -> runtime.Process:
    told = runtime.Process(
        name=kept.name,
        service=kept.service,
        pid=kept.born.pid if kept.born else 0,
        state=runtime.ProcessState.Value(f"PROCESS_STATE_{kept.state.name}"),
        restarts=kept.restarts,
        log_path=str(kept.log),
    )
    if kept.born:
        told.start_time.FromNanoseconds(int(kept.start_time * 1e9))
    return told


def _unknown(unknown: UnknownTarget) -> Fault:
    return Fault(
        MeshError,
        MeshError.MESH_ERROR_PROCESS_UNKNOWN,
        target=unknown.target,
        known=", ".join(unknown.known),
    )


def _refused(field: str, description: str) -> Fault:
    broken = Violation(field=field, description=description, rule="")
    return Fault(PlatformError, PlatformError.PLATFORM_ERROR_REQUEST_INVALID, violations=(broken,))
