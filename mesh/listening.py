"""Where a replica listens: at the port of its last life, if it can.

A replica that is replaced while the control plane is dead cannot tell anybody a new address. At its
old one it is found again by everyone who knew it.
"""

from __future__ import annotations

import logging
from pathlib import Path

import grpc

from mesh.identity.files import make_private_folder, write_whole

_log = logging.getLogger(__name__)

HOST = "127.0.0.1"


def listen(server: grpc.Server, credentials: grpc.ServerCredentials, kept: Path) -> int:
    """Open a port, the one that *kept* names when it is free, and keep which; the port."""
    port = _open(server, credentials, _last(kept))
    try:
        make_private_folder(kept.parent)
        write_whole(kept, str(port).encode())
    except OSError as error:
        # Its clients are told the port by the control plane; only the next life goes without.
        _log.warning("port_not_kept", extra={"cause": error.strerror})
    return port


def _open(server: grpc.Server, credentials: grpc.ServerCredentials, last: int) -> int:
    if last:
        try:
            return server.add_secure_port(f"{HOST}:{last}", credentials)
        except RuntimeError:
            _log.warning("port_taken", extra={"port": last})
    return server.add_secure_port(f"{HOST}:0", credentials)


def _last(kept: Path) -> int:
    try:
        port = int(kept.read_bytes())
    except (OSError, ValueError):
        return 0
    return port if 0 < port < 65536 else 0
