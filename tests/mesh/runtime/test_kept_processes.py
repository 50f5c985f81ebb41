"""One process that should run, with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mesh.runtime.backoff import Backoff
from mesh.runtime.kept import Kept, State

SLEEPS = "import time; time.sleep(60)"
ENDS = "raise SystemExit(3)"
DEAF = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('deaf', flush=True); time.sleep(60)"
)


@pytest.mark.parametrize(
    ("runs", "pauses"),
    [
        ([0.0, 0.0, 0.0, 0.0], [1.0, 2.0, 4.0, 5.0]),  # doubles up to the longest
        ([0.0, 0.0, 60.0, 0.0], [1.0, 2.0, 1.0, 2.0]),  # begins anew after a sound run
    ],
)
def test_a_process_that_keeps_ending_is_started_ever_more_slowly(
    runs: list[float], pauses: list[float]
) -> None:
    backoff = Backoff(first=1.0, longest=5.0, sound=10.0)
    assert [backoff.after(ran) for ran in runs] == pauses


def test_a_process_that_ends_by_itself_is_started_again(tmp_path: Path) -> None:
    async def check() -> None:
        async with kept(tmp_path, ENDS) as process:
            await until(lambda: process.restarts >= 2)

    asyncio.run(check())


def test_a_killed_process_is_replaced_by_another(tmp_path: Path) -> None:
    async def check() -> None:
        async with kept(tmp_path, SLEEPS) as process:
            first = process.born
            await process.send(signal.SIGKILL)
            assert first is not None
            assert not first.is_alive()
            await until(lambda: process.state is State.RUNNING)
            assert process.born not in (None, first)
            assert process.restarts == 1

    asyncio.run(check())


def test_a_process_held_down_stays_down_until_it_is_released(tmp_path: Path) -> None:
    async def check() -> None:
        async with kept(tmp_path, SLEEPS) as process:
            await process.send(signal.SIGKILL, hold=True)
            await until(lambda: process.state is State.HELD_DOWN)
            await asyncio.sleep(0.1)  # ten times the pause before a restart
            assert process.born is None
            process.release()
            await until(lambda: process.state is State.RUNNING)
            assert process.restarts == 0

    asyncio.run(check())


@pytest.mark.parametrize("frozen", [False, True], ids=["running", "stopped by SIGSTOP"])
def test_stop_lets_a_process_end_by_itself(tmp_path: Path, frozen: bool) -> None:
    async def check() -> None:
        async with kept(tmp_path, SLEEPS) as process:
            born = process.born
            assert born is not None
            if frozen:
                await process.send(signal.SIGSTOP)
            await process.stop(grace=20.0)
            assert not born.is_alive()
            assert process.restarts == 0

    asyncio.run(check())


def test_stop_kills_what_does_not_heed_sigterm(tmp_path: Path) -> None:
    async def check() -> None:
        async with kept(tmp_path, DEAF) as process:
            born = process.born
            assert born is not None
            await until(lambda: "deaf" in process.log.read_text())
            await process.stop(grace=0.1)
            assert not born.is_alive()

    asyncio.run(check())


@asynccontextmanager
async def kept(folder: Path, code: str) -> AsyncIterator[Kept]:
    """A process kept running, begun, and gone afterwards."""
    reading, writing = os.pipe()
    process = Kept(
        name="small-1",
        service="small",
        command=[sys.executable, "-S", "-c", code],
        environment=lambda: os.environ,
        log=folder / "small-1.log",
        alive=reading,
        backoff=Backoff(first=0.01, longest=0.02),
    )
    process.start()
    try:
        await until(lambda: process.born is not None or process.restarts > 0)
        yield process
    finally:
        await process.stop(grace=0.1)
        os.close(reading)
        os.close(writing)


async def until(holds: Callable[[], bool]) -> None:
    async def wait() -> None:
        while not holds():
            await asyncio.sleep(0.005)

    waiting: Awaitable[None] = wait()
    await asyncio.wait_for(waiting, 10.0)
