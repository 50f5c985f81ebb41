"""Where Prometheus asks a process: `http://127.0.0.1:<port>/metrics`."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, start_http_server


class Endpoint:
    """Answers on *host*, at *port* if it is free, else (or for 0) at one that is.

    What it tells is nobody's secret: names of methods and workloads, and numbers.
    """

    def __init__(self, host: str, port: int = 0, registry: CollectorRegistry = REGISTRY) -> None:
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except OSError:
            if not port:
                raise
            self._server, self._thread = start_http_server(0, host, registry)
        self.port: int = self._server.server_port

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
