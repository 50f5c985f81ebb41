"""Asks an endpoint whether it is alive: a connection, then gRPC health over mutual TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from mesh import meaning
from mesh.controlplane.resources import Endpoint
from mesh.identity.spiffe import server_name

# No answer at all. Any other status, a refusal included, was given by a process that lives.
_SILENT = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})


class Sign(Enum):
    """What an endpoint showed."""

    ALIVE = "alive"
    GONE = "gone"
    SILENT = "silent"


class Prober:
    """Probes endpoints as the control plane, with *credentials* for mutual TLS."""

    def __init__(
        self, credentials: Callable[[], grpc.ChannelCredentials], trust_domain: str
    ) -> None:
        self._credentials = credentials
        self._trust_domain = trust_domain

    async def __call__(self, endpoint: Endpoint) -> Sign:
        """ALIVE, GONE (the port is closed), or SILENT within the probe's timeout."""
        try:
            async with asyncio.timeout(meaning.PROBE_TIMEOUT):
                _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
                writer.close()
                return await self._health(endpoint)
        except ConnectionRefusedError:
            return Sign.GONE
        except (OSError, TimeoutError):
            return Sign.SILENT

    async def _health(self, endpoint: Endpoint) -> Sign:
        options = [
            (
                "grpc.ssl_target_name_override",
                server_name(self._trust_domain, endpoint.service),
            ),
            # A channel of its own: it shares no connection and no back-off with an earlier probe.
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_retries", 0),
        ]
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        target = f"{host}:{endpoint.port}"
        async with grpc.aio.secure_channel(target, self._credentials(), options) as channel:
            try:
                health: Any = HealthStub(channel)
                await health.Check(HealthCheckRequest(), timeout=meaning.PROBE_TIMEOUT)
            except grpc.aio.AioRpcError as error:
                return Sign.SILENT if error.code() in _SILENT else Sign.ALIVE
        return Sign.ALIVE
