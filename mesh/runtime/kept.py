"""One process that should run: started, started again when it ends by itself, stopped on demand."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path

from mesh.runtime import output
from mesh.runtime.backoff import Backoff
from mesh.runtime.birth import Born

_log = logging.getLogger(__name__)

_LOOK_AT_LOG = 15.0


class State(Enum):
    """How a process fares; the names are those of `plexus.mesh.v1.ProcessState`."""

    RUNNING = "running"
    BACKING_OFF = "backing off"
    STOPPING = "stopping"
    HELD_DOWN = "held down"


class Kept:
    """One process that should run. Used from one event loop.

    *environment* is asked at each start. *alive* is a descriptor that the process inherits. *changed*
    is called after every change of what the public attributes say.
    """

    def __init__(
        self,
        name: str,
        service: str,
        command: Sequence[str],
        environment: Callable[[], Mapping[str, str]],
        log: Path,
        alive: int,
        changed: Callable[[], None] = lambda: None,
        backoff: Backoff | None = None,
    ) -> None:
        self.name = name
        self.service = service
        self.log = log
        self.restarts = 0
        self.start_time = 0.0
        self.state = State.BACKING_OFF
        self._command = command
        self._environment = environment
        self._alive = alive
        self._changed = changed
        self._backoff = backoff or Backoff()
        self._born: Born | None = None
        self._held = False
        self._stopping = False
        self._wake = asyncio.Event()
        self._ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def born(self) -> Born | None:
        """The process that runs now."""
        return self._born

    def start(self) -> None:
        """Begin to keep the process running."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name=self.name)

    async def send(self, number: signal.Signals, *, hold: bool = False) -> None:
        """Send a signal, if it runs. With *hold* it is not started again until `release`.

        Returns from SIGKILL when the process is gone.
        """
        if hold:
            self._held = True
            self._wake.set()
        if self._born is None or not self._born.send(number):
            return
        if number is signal.SIGTERM:
            self._become(State.STOPPING)
        if number is signal.SIGKILL:
            await self._ended.wait()

    def release(self) -> None:
        """Let a process that was held down run again."""
        self._held = False
        self._wake.set()

    async def stop(self, grace: float) -> None:
        """Stop for good: SIGTERM, and SIGKILL after *grace* seconds."""
        self._stopping = True
        self._wake.set()
        if self._task is None:
            return
        await self.send(signal.SIGTERM)
        if self._born is not None:
            # A process that was stopped by SIGSTOP takes the SIGTERM only when it goes on.
            self._born.send(signal.SIGCONT)
        _, unfinished = await asyncio.wait({self._task}, timeout=grace)
        if unfinished:
            await self.send(signal.SIGKILL)
            await asyncio.wait({self._task})

    async def _keep(self) -> None:
        while not self._stopping:
            if self._held:
                await self._rest(State.HELD_DOWN, None)
                continue
            began = time.monotonic()
            await self._run()
            if self._stopping or self._held:
                continue
            await self._rest(State.BACKING_OFF, self._backoff.after(time.monotonic() - began))
            if not self._stopping and not self._held:
                self.restarts += 1

    async def _run(self) -> None:
        try:
            process = await self._spawn()
        except OSError as error:
            _log.warning("%s cannot be started: %s", self.name, error.strerror)
            return
        try:
            self._born = Born.of(process.pid)
        except ProcessLookupError:
            self._born = None
        self.start_time = time.time()
        self._ended.clear()
        self._become(State.RUNNING)
        if self._stopping or self._held:
            # It was told to go while it was being started.
            process.kill()
        code = await self._end_of(process)
        self._born = None
        self._ended.set()
        if not self._stopping:
            _log.info("%s ended: %s", self.name, _told(code))

    async def _end_of(self, process: asyncio.subprocess.Process) -> int:
        ended = asyncio.ensure_future(process.wait())
        while True:
            done, _ = await asyncio.wait({ended}, timeout=_LOOK_AT_LOG)
            if done:
                return ended.result()
            await asyncio.to_thread(output.bound, self.log)

    async def _spawn(self) -> asyncio.subprocess.Process:
        printed = output.opened(self.log)
        try:
            return await asyncio.create_subprocess_exec(
                *self._command,
                env=self._environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                pass_fds=(self._alive,),
                # Out of reach of the terminal's Ctrl-C: the runtime stops its processes in order.
                start_new_session=True,
            )
        finally:
            os.close(printed)

    async def _rest(self, state: State, longest: float | None) -> None:
        """Wait until told otherwise, for at most *longest* seconds."""
        self._wake.clear()
        self._become(state)
        try:
            await asyncio.wait_for(self._wake.wait(), longest)
        except TimeoutError:
            return

    def _become(self, state: State) -> None:
        self.state = state
        self._changed()


def _told(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
