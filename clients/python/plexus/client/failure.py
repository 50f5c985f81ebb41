"""Turns what gRPC raises into the typed exceptions of `plexus.errors`."""

from __future__ import annotations

from typing import Any

import grpc

from plexus.client.outgoing import Outgoing, Parts, Send
from plexus.contract import Method
from plexus.errors import from_rpc


def failure(method: Method, parts: Parts, proceed: Send) -> Send:
    """Raise PlexusError in place of grpc.RpcError."""
    del parts

    def send(out: Outgoing) -> Any:
        try:
            return proceed(out)
        except grpc.RpcError as error:
            typed = from_rpc(error)
            typed.method = method.path
            raise typed from None

    return send
