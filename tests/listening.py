"""Servers in the process of a test, at a place that nobody had before.

The numbers of ports come round: in a run of the suite a process is given some of them twice. gRPC shares
connections, and what it knows of them, among all channels of a process with the same address and the
same options, so that a channel which nobody closed can tell the next test that its server is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import methodcaller
from tempfile import TemporaryDirectory

import grpc

PATIENCE = 10.0


@contextmanager
def listening(
    server: grpc.Server, start: Callable[[grpc.Server], None] = methodcaller("start")
) -> Iterator[str]:
    """The target of *server*, which is started by *start* and stopped afterwards."""
    # A socket's name may have 107 characters: the folder of a test can have more.
    with TemporaryDirectory() as folder:
        target = f"unix:{folder}/socket"
        server.add_insecure_port(target)
        start(server)
        try:
            yield target
        finally:
            assert server.stop(0).wait(PATIENCE)
