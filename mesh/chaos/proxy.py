"""A TCP proxy in front of one replica, for faults of the network: cut, one way silent, slow.

It forwards bytes and understands none: mutual TLS goes through untouched, since a workload is known
by its SPIFFE id and not by its address.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any, Final

HOST: Final = "127.0.0.1"
_CHUNK: Final = 64 * 1024
_QUEUED: Final = 64
_PATIENCE: Final = 5.0
_RST: Final = struct.pack("ii", 1, 0)

Address = tuple[str, int]


class Direction(Enum):
    """Which way bytes go: to the replica, or back to its client."""

    TO_REPLICA = "to_replica"
    TO_CLIENT = "to_client"


class Proxy:
    """Forwards to where *target* says the replica is, asked at each connection; None refuses it."""

    def __init__(self, target: Callable[[], Address | None]) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._pairs: set[_Pair] = set()
        self._ways = {direction: _Way() for direction in Direction}
        self._cut = False
        self.address: Address = (HOST, 0)

    def start(self) -> Address:
        """Begin to forward; where it listens."""
        self._thread.start()
        self._inside(self._listen())
        return self.address

    def connections(self) -> int:
        """How many connections go through it now."""
        return len(self._pairs)

    def reset(self) -> None:
        """Cut every connection by a TCP reset, and each new one as soon as it is made."""

        async def cut() -> None:
            self._cut = True
            for pair in list(self._pairs):
                pair.cut()

        self._inside(cut())

    def silence(self, direction: Direction) -> None:
        """Let nothing through one way. As in a network that loses packets, no connection breaks."""
        self._on_loop(self._ways[direction].open.clear)

    def delay(self, seconds: float) -> None:
        """Hold everything up for so long, each way."""
        for way in self._ways.values():
            way.delay = seconds

    def heal(self) -> None:
        """Forward as if nothing had been. What was held up is delivered."""
        self.delay(0.0)

        def forward() -> None:
            self._cut = False
            for way in self._ways.values():
                way.open.set()

        self._on_loop(forward)

    def close(self, grace: float = 0.0) -> None:
        """Let connections end by themselves for *grace* seconds, then end them. Idempotent."""
        if not self._thread.is_alive():
            return
        self._inside(self._end(grace), grace)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE)
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._take, HOST, 0)
        self.address = self._server.sockets[0].getsockname()[:2]

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # asyncio's server takes a cancelled handler for a mistake, and prints it.
        with contextlib.suppress(asyncio.CancelledError):
            await self._forward(reader, writer)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = self._target()
        if self._cut or target is None:
            _reset(writer)
            return
        try:
            back, forth = await asyncio.open_connection(*target)
        except OSError:
            _reset(writer)
            return
        pair = _Pair(writer, forth)
        self._pairs.add(pair)
        try:
            await asyncio.wait(
                {
                    asyncio.create_task(_pump(reader, forth, self._ways[Direction.TO_REPLICA])),
                    asyncio.create_task(_pump(back, writer, self._ways[Direction.TO_CLIENT])),
                },
                return_when=asyncio.ALL_COMPLETED,
            )
        finally:
            pair.end()
            self._pairs.discard(pair)

    async def _end(self, grace: float) -> None:
        if self._server is not None:
            self._server.close()
        deadline = time.monotonic() + grace
        while self._pairs and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        for pair in list(self._pairs):
            pair.end()
        mine = asyncio.current_task()
        rest = [task for task in asyncio.all_tasks() if task is not mine]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def _inside(self, work: Coroutine[Any, Any, None], grace: float = 0.0) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE + grace)

    def _on_loop(self, work: Callable[[], None]) -> None:
        async def step() -> None:
            work()

        self._inside(step())


class _Way:
    """One direction, of all connections: open or not, and how slow."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.delay = 0.0


class _Pair:
    """The two ends of one connection."""

    def __init__(self, client: asyncio.StreamWriter, replica: asyncio.StreamWriter) -> None:
        self._ends = (client, replica)

    def cut(self) -> None:
        for end in self._ends:
            _reset(end)

    def end(self) -> None:
        for end in self._ends:
            end.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: _Way) -> None:
    """Forward until the connection ends. Chunks are read on while earlier ones are held up."""
    held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_QUEUED)
    delivering = asyncio.create_task(_deliver(held, writer, way))
    try:
        while chunk := await reader.read(_CHUNK):
            await held.put((time.monotonic() + way.delay, chunk))
        await held.put((time.monotonic() + way.delay, b""))
        await delivering
    except OSError:
        # Reset by one end: the other is told in the same way.
        writer.transport.abort()
    finally:
        delivering.cancel()


async def _deliver(
    held: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, way: _Way
) -> None:
    with contextlib.suppress(OSError):
        while True:
            due, chunk = await held.get()
            if (early := due - time.monotonic()) > 0:
                await asyncio.sleep(early)
            await way.open.wait()
            if not chunk:
                break
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection by RST instead of FIN (socket(7): a linger time of zero)."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
    writer.transport.abort()
