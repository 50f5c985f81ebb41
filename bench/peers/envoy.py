"""Envoy as a sidecar beside the caller and beside each server: plaintext, mutual TLS, plaintext.

Set up as Envoy's documentation says for benchmarks: the released binary, one worker thread for each
sidecar (as many as the process beside it has interpreters), circuit breakers out of the way, no request
ids, no dynamic statistics, no access log; the caller's `grpc-timeout` is the only timeout. For failover
as in its FAQ "How do I handle transient failures?": its outlier detection and retries on another host,
and a limit for each attempt, without which nothing is done about a host that hangs.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.peers.certificates import CERTIFICATE, KEY, TRUST

_HOST: Final = "127.0.0.1"
_UNBOUNDED: Final = 1_000_000_000
_PATIENCE: Final = 15.0
_TYPES: Final = "type.googleapis.com/envoy.extensions"
_HTTP: Final = f"{_TYPES}.upstreams.http.v3.HttpProtocolOptions"


class Sidecar:
    """One Envoy. *port* is where it listens."""

    def __init__(self, binary: Path, folder: Path, name: str, config: dict[str, Any]) -> None:
        self.port: int = config["static_resources"]["listeners"][0]["address"]["socket_address"][
            "port_value"
        ]
        written = folder / f"{name}.json"
        written.write_text(json.dumps(config, indent=1), encoding="utf-8")
        line = [binary, "-c", written, "--concurrency", "1", "--disable-hot-restart"]
        with (folder / f"{name}.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*map(str, line), "--log-level", "warning"], stdout=log, stderr=log
            )
        self._wait()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def _wait(self) -> None:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end and self._process.poll() is None:
            with socket.socket() as tried:
                if tried.connect_ex((_HOST, self.port)) == 0:
                    return
            time.sleep(0.02)
        self.close()
        raise ChildProcessError("Envoy does not listen")


def beside_caller(servers: Sequence[int], tls: Path, *, failover: bool = False) -> dict[str, Any]:
    """What it does for the caller: plaintext in, mutual TLS out to the sidecars at *servers*."""
    cluster = _cluster("servers", servers)
    cluster["transport_socket"] = _tls_socket("UpstreamTlsContext", tls, {})
    route: dict[str, Any] = {}
    if failover:
        cluster["outlier_detection"] = {
            "consecutive_5xx": 5,
            "consecutive_gateway_failure": 5,
            "enforcing_consecutive_gateway_failure": 100,
            "base_ejection_time": "30s",
            "max_ejection_percent": 50,
        }
        predicate = f"{_TYPES}.retry.host.previous_hosts.v3.PreviousHostsPredicate"
        route["retry_policy"] = {
            "retry_on": "cancelled,connect-failure,gateway-error,refused-stream,reset,"
            "resource-exhausted,unavailable",
            "num_retries": 1,
            "per_try_timeout": "0.25s",
            "retry_host_predicate": [
                {
                    "name": "envoy.retry_host_predicates.previous_hosts",
                    "typed_config": {"@type": predicate},
                }
            ],
            "host_selection_retry_max_attempts": 5,
        }
    return _config(_listener("out", "servers", route, None), cluster)


def beside_server(server: int, tls: Path) -> dict[str, Any]:
    """What it does for a server: mutual TLS in, plaintext out to the server at port *server*."""
    asks = {"require_client_certificate": True}
    inbound = _tls_socket("DownstreamTlsContext", tls, asks)
    return _config(_listener("in", "server", {}, inbound), _cluster("server", [server]))


def _config(listener: dict[str, Any], cluster: dict[str, Any]) -> dict[str, Any]:
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _listener(
    name: str, cluster: str, route: dict[str, Any], tls: dict[str, Any] | None
) -> dict[str, Any]:
    router = {"@type": f"{_TYPES}.filters.http.router.v3.Router", "dynamic_stats": False}
    # The deadline that the caller sends, and no other.
    limit = {"grpc_timeout_header_max": "0s"}
    action = {"cluster": cluster, "timeout": "0s", "max_stream_duration": limit, **route}
    manager = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "codec_type": "HTTP2",
        "generate_request_id": False,
        "route_config": {
            "virtual_hosts": [
                {
                    "name": name,
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": action}],
                }
            ]
        },
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    chain: dict[str, Any] = {
        "filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
        ]
    }
    if tls is not None:
        chain["transport_socket"] = tls
    return {"name": name, "address": _address(_free_port()), "filter_chains": [chain]}


def _cluster(name: str, ports: Sequence[int]) -> dict[str, Any]:
    http2: dict[str, Any] = {"explicit_http_config": {"http2_protocol_options": {}}}
    limits = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "ROUND_ROBIN",
        "circuit_breakers": {"thresholds": [dict.fromkeys(limits, _UNBOUNDED)]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {"@type": _HTTP, **http2}
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": _address(port)}} for port in ports]}
            ],
        },
    }


def _tls_socket(kind: str, tls: Path, further: dict[str, Any]) -> dict[str, Any]:
    pair = {
        "certificate_chain": {"filename": str(tls / CERTIFICATE)},
        "private_key": {"filename": str(tls / KEY)},
    }
    context = {
        "alpn_protocols": ["h2"],
        "tls_certificates": [pair],
        "validation_context": {"trusted_ca": {"filename": str(tls / TRUST)}},
    }
    typed = {
        "@type": f"{_TYPES}.transport_sockets.tls.v3.{kind}",
        "common_tls_context": context,
        **further,
    }
    return {"name": "envoy.transport_sockets.tls", "typed_config": typed}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": _HOST, "port_value": port}}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((_HOST, 0))
        port: int = listener.getsockname()[1]
        return port
