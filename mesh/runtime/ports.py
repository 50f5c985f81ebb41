"""Addresses for the control plane: free ones, or those the operator asks for."""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack

from mesh.runtime.errors import StartFailed

LOOPBACK = "127.0.0.1"


def free_addresses(count: int) -> list[str]:
    """As many `host:port` on the loopback interface, all different and free at this moment."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [f"{LOOPBACK}:{each.getsockname()[1]}" for each in sockets]


def free_from(port: int) -> str:
    """The first `host:port` from *port* on that is free at this moment."""
    wanted = (f"{LOOPBACK}:{number}" for number in range(port, port + 100))
    return next(filter(is_free, wanted), None) or free_addresses(1)[0]


def is_free(address: str) -> bool:
    """Whether *address* can be listened on at this moment."""
    return _obstacle(address) is None


def check_free(variable: str, address: str) -> None:
    """Raise StartFailed when *address*, which *variable* states, cannot be listened on."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise StartFailed(f"{variable} is {address}, not host:port", f"correct or unset {variable}")
    if obstacle := _obstacle(address):
        raise StartFailed(
            f"{address} {obstacle}", f"stop what uses it, or unset {variable} for a free port"
        )


def _obstacle(address: str) -> str | None:
    host, _, port = address.rpartition(":")
    try:
        with socket.socket() as probe:
            # As gRPC does: an address that only lingers in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, int(port)))
    except (OSError, OverflowError, ValueError) as error:
        return "is in use" if _is_in_use(error) else "cannot be listened on"
    return None


def _is_in_use(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno == errno.EADDRINUSE
