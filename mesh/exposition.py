"""What a process lets others know of its metrics: an endpoint for Prometheus, and OTLP when told to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from mesh.clock import now
from mesh.identity.files import make_private_folder, write_whole
from mesh.settings import Settings
from mesh.version import version
from observability import tracing
from observability.metrics import Collect, Endpoint, definitions, register
from observability.metrics.metric import Resource

if TYPE_CHECKING:
    from observability.metrics.otlp import Sender

_log = logging.getLogger(__name__)

_PATIENCE: Final = 2.0


class Exposition:
    """The metrics of this process. It keeps its port from life to life, so that its series go on.

    *service* is the workload, or what else the process is. Who has more to tell registers it with
    *registry*.
    """

    def __init__(self, settings: Settings, service: str) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._settings = settings
        self._resource = Resource(service, settings.replica, version())
        self.port = 0
        self._sender: Sender | None = None

    def start(self, *collect: Collect) -> None:
        """Begin to answer; *collect* gives what is to be told besides what every process tells."""
        register(self._target, *collect, registry=self.registry)
        host, _, stated = self._settings.metrics.rpartition(":")
        kept = self._settings.metrics_port
        self._endpoint = Endpoint(host, int(stated) or _last(kept), self.registry)
        self.port = self._endpoint.port
        try:
            make_private_folder(kept.parent)
            write_whole(kept, str(self.port).encode())
        except OSError as error:
            # It is still answered; only who looks for it on this machine does not find it.
            _log.warning("metrics_port_not_kept", extra={"cause": error.strerror})
        if self._settings.otlp_metrics:
            # Imported here: only who sends pays for OTLP's messages.
            from observability.metrics.otlp import Sender

            self._sender = Sender(self._settings.otlp_metrics, self._resource, self.registry)

    def close(self) -> None:
        """Send the last numbers, if they are sent, and answer no more."""
        if self._sender is not None:
            self._sender.close()
        self._endpoint.close()

    def _target(self) -> Iterator[Any]:
        family = definitions.TARGET.family()
        family.add_metric(self._resource, 1)
        yield family
        sent, lost = tracing.sent_and_lost()
        yield definitions.SPANS_EXPORTED.one(sent)
        yield definitions.SPANS_LOST.one(lost)


def certificate(validity: Callable[[], tuple[datetime, datetime]]) -> Iterator[Any]:
    """The metrics of a certificate that is valid from one instant to the other."""
    begins, ends = validity()
    yield definitions.CERTIFICATE_LEFT.one((ends - now()).total_seconds())
    yield definitions.CERTIFICATE_LIFE.one((ends - begins).total_seconds())


def on_loop(read: Callable[[], Iterable[Any]], loop: asyncio.AbstractEventLoop) -> Collect:
    """*read* as a collector that is asked from another thread: it runs where nothing else moves."""

    async def told() -> list[Any]:
        return list(read())

    return lambda: asyncio.run_coroutine_threadsafe(told(), loop).result(_PATIENCE)


def _last(kept: Path) -> int:
    try:
        port = int(kept.read_bytes())
    except (OSError, ValueError):
        return 0
    return port if 0 < port < 65536 else 0
