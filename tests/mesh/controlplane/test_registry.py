"""A replica is in the mesh for as long as it lives, whatever becomes of its stream."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from mesh.controlplane.probe import Sign
from mesh.controlplane.registry import Registry, Stream
from mesh.controlplane.resources import Endpoint
from plexus.mesh.v1.replica_pb2 import (
    REPLICA_STATE_DRAINING,
    REPLICA_STATE_READY,
    REPLICA_STATE_STARTING,
    REPLICA_STATE_UNCONFIRMED,
    Replica,
    ReplicaState,
)


def _replica(
    port: int = 1,
    state: ReplicaState.ValueType = REPLICA_STATE_READY,
    service: str = "records",
) -> Replica:
    return Replica(name="records-1", service=service, host="127.0.0.1", port=port, state=state)


class _World:
    """A registry whose probes find what *sign* says; it remembers what was published."""

    def __init__(self, sign: Sign, known: tuple[Replica, ...] = ()) -> None:
        self.sign = sign
        self.probes = 0
        self.published: list[list[Endpoint]] = []
        self.registry = Registry(self._probe, self._publish, known)

    async def _probe(self, endpoint: Endpoint) -> Sign:
        self.probes += 1
        return self.sign

    def _publish(self) -> None:
        self.published.append(self.registry.endpoints)


async def _until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not look():
            await asyncio.sleep(0.005)


def _run(play: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(play())  # type: ignore[arg-type]


def test_a_replica_is_published_when_it_takes_work_and_not_before() -> None:
    async def play() -> None:
        world = _World(Sign.ALIVE)
        stream = Stream()
        world.registry.hear(stream, _replica(state=REPLICA_STATE_STARTING))
        assert world.published == []
        world.registry.hear(stream, _replica())
        world.registry.hear(stream, _replica())
        assert world.published == [[Endpoint("records", "127.0.0.1", 1)]]

    _run(play)


@pytest.mark.parametrize("sign", [Sign.GONE, Sign.SILENT])
def test_a_replica_that_is_gone_or_stays_silent_leaves_after_its_stream(sign: Sign) -> None:
    async def play() -> None:
        world = _World(sign)
        stream = Stream()
        world.registry.start()
        world.registry.hear(stream, _replica())
        world.registry.lose(stream, _replica(), farewell=False)
        await _until(lambda: world.published[-1] == [])
        await world.registry.close()

    _run(play)


def test_a_living_replica_stays_published_without_its_stream_until_it_speaks_again() -> None:
    async def play() -> None:
        world = _World(Sign.ALIVE)
        stream = Stream()
        world.registry.start()
        world.registry.hear(stream, _replica())
        world.registry.lose(stream, _replica(), farewell=False)
        await _until(lambda: world.probes > 2)
        assert len(world.published) == 1
        assert [r.state for r in world.registry.status()] == [REPLICA_STATE_UNCONFIRMED]
        world.registry.hear(Stream(), _replica())
        assert [r.state for r in world.registry.status()] == [REPLICA_STATE_READY]
        await world.registry.close()

    _run(play)


def test_the_end_of_a_stream_that_was_taken_over_means_nothing() -> None:
    async def play() -> None:
        world = _World(Sign.GONE)
        first, second = Stream(), Stream()
        world.registry.start()
        world.registry.hear(first, _replica(port=1))
        world.registry.hear(second, _replica(port=2))
        world.registry.lose(first, _replica(port=1), farewell=True)
        assert world.registry.endpoints == [Endpoint("records", "127.0.0.1", 2)]
        await world.registry.close()

    _run(play)


def test_a_drained_replica_leaves_at_once_without_being_asked() -> None:
    async def play() -> None:
        world = _World(Sign.ALIVE)
        stream = Stream()
        world.registry.start()
        world.registry.hear(stream, _replica(state=REPLICA_STATE_DRAINING))
        world.registry.lose(stream, _replica(state=REPLICA_STATE_DRAINING), farewell=True)
        assert world.published == [[Endpoint("records", "127.0.0.1", 1, draining=True)], []]
        assert world.probes == 0
        await world.registry.close()

    _run(play)


def test_a_replica_cannot_take_the_lease_of_another_service_by_its_name() -> None:
    async def play() -> None:
        world = _World(Sign.ALIVE)
        world.registry.hear(Stream(), _replica(port=1))
        world.registry.hear(Stream(), _replica(port=2, service="billing"))
        assert [endpoint.port for endpoint in world.registry.endpoints] == [2, 1]

    _run(play)


def test_what_was_known_before_a_restart_is_published_and_then_asked() -> None:
    async def play() -> None:
        world = _World(Sign.ALIVE, known=(_replica(),))
        assert len(world.registry.endpoints) == 1
        world.registry.start()
        await _until(lambda: world.probes > 0)
        world.sign = Sign.GONE
        await _until(lambda: world.published == [[]])
        await world.registry.close()

    _run(play)


def test_streams_that_end_because_the_control_plane_stops_remove_nobody() -> None:
    async def play() -> None:
        world = _World(Sign.GONE)
        stream = Stream()
        world.registry.start()
        world.registry.hear(stream, _replica())
        await world.registry.close()
        world.registry.lose(stream, _replica(), farewell=False)
        assert len(world.registry.endpoints) == 1

    _run(play)
