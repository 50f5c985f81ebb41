"""gRPC's own services beside a service's: health, channelz and, when asked for, reflection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from mesh.server.guard import Capture, Guarded

_OPERATORS = frozenset({"control-plane", "operator"})


class Infrastructure:
    """Handlers for everything gRPC brings. Anybody of the mesh may ask for health; channelz and
    reflection are the operator's."""

    def __init__(
        self,
        services: Sequence[str],
        identify: Callable[[grpc.ServicerContext], str],
        reflection: bool,
    ) -> None:
        self._health = health.HealthServicer()
        for name in ("", *services):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        anybody, operators = Capture(), Capture()
        add: Any = health_pb2_grpc.add_HealthServicer_to_server
        add(self._health, anybody)
        _add_channelz(operators)
        if reflection:
            _add_reflection(operators, (*services, health.SERVICE_NAME))
        self.handlers: Sequence[grpc.GenericRpcHandler] = (
            *(Guarded(inner, lambda call: bool(identify(call))) for inner in anybody.handlers),
            *(
                Guarded(inner, lambda call: identify(call) in _OPERATORS)
                for inner in operators.handlers
            ),
        )

    def not_serving(self) -> None:
        """Tell health checks that no new work is taken."""
        self._health.enter_graceful_shutdown()


def _add_channelz(server: Capture) -> None:
    from grpc_channelz.v1 import channelz

    channelz.add_channelz_servicer(server)


def _add_reflection(server: Capture, names: Sequence[str]) -> None:
    from grpc_reflection.v1alpha import reflection

    enable: Any = reflection.enable_server_reflection
    enable(names, server)
