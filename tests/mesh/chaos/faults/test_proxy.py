"""The proxy, between plain sockets: what each end notices of a broken network."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from mesh.chaos.proxy import Direction, Proxy

_SHORT = 0.2


class Echo:
    """A server that sends back what it gets, and keeps it."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self.heard = b""
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                taken, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(taken,), daemon=True).start()

    def _serve(self, taken: socket.socket) -> None:
        with taken:
            try:
                while chunk := taken.recv(1024):
                    self.heard += chunk
                    taken.sendall(chunk)
            except OSError:
                return


@pytest.fixture
def echo() -> Iterator[Echo]:
    with closing(Echo()) as server:
        yield server


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    between = Proxy(lambda: echo.address)
    between.start()
    yield between
    between.close()
    between.close()


@contextmanager
def connected(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(proxy.address, timeout=5.0) as made:
        yield made


def is_cut(proxy: Proxy) -> bool:
    try:
        with connected(proxy) as client:
            client.sendall(b"x")
            return client.recv(1) == b""
    except ConnectionError:
        return True


def test_bytes_go_through_both_ways(proxy: Proxy) -> None:
    with connected(proxy) as client:
        client.sendall(b"there and back")
        assert client.recv(1024) == b"there and back"
        assert proxy.connections() == 1


def test_a_reset_cuts_connections_and_new_ones_until_it_is_healed(proxy: Proxy) -> None:
    with connected(proxy) as client:
        client.sendall(b"1")
        assert client.recv(1) == b"1"
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert is_cut(proxy)
    proxy.heal()
    with connected(proxy) as client:
        client.sendall(b"3")
        assert client.recv(1) == b"3"


@pytest.mark.parametrize(
    ("direction", "heard"), [(Direction.TO_CLIENT, b"x"), (Direction.TO_REPLICA, b"")]
)
def test_what_was_held_up_one_way_arrives_when_it_is_healed(
    proxy: Proxy, echo: Echo, direction: Direction, heard: bytes
) -> None:
    with connected(proxy) as client:
        proxy.silence(direction)
        client.sendall(b"x")
        client.settimeout(_SHORT)
        with pytest.raises(TimeoutError):
            client.recv(1)
        assert echo.heard == heard
        proxy.heal()
        client.settimeout(5.0)
        assert client.recv(1) == b"x"


def test_a_delay_is_that_of_each_way_and_does_not_add_up_over_chunks(proxy: Proxy) -> None:
    proxy.delay(_SHORT)
    with connected(proxy) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began = time.monotonic()
        received = b""
        for _ in range(20):
            client.sendall(b"x" * 100)
            time.sleep(0.001)
        while len(received) < 2000:
            received += client.recv(4096)
        took = time.monotonic() - began
    # Twenty chunks one after the other would take twenty times as long.
    assert 2 * _SHORT <= took < 20 * _SHORT


def test_a_replica_that_is_not_there_is_a_connection_that_ends(echo: Echo) -> None:
    with closing(Proxy(lambda: None)) as nowhere:
        nowhere.start()
        assert is_cut(nowhere)
