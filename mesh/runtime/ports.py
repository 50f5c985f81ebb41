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


def check_free(variable: str, address: str) -> None:
    """Raise StartFailed when *address*, which *variable* states, cannot be listened on."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise StartFailed(f"{variable} is {address}, not host:port", f"correct or unset {variable}")
    try:
        with socket.socket() as probe:
            # As gRPC does: an address that only lingers in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, int(port)))
    except (OSError, OverflowError) as error:
        why = (
            "is in use"
            if getattr(error, "errno", 0) == errno.EADDRINUSE
            else "cannot be listened on"
        )
        raise StartFailed(
            f"{address} {why}", f"stop what uses it, or unset {variable} for a free port"
        ) from None
