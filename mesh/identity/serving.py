"""Server credentials that follow a rotating certificate and ask every client for its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import grpc


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate, its key, and whom to believe; all PEM."""

    certificate: bytes
    key: bytes
    trust_bundle: bytes


def rotating_server_credentials(
    current: Callable[[], Certified], *, ask_client: bool = True
) -> grpc.ServerCredentials:
    """TLS with the pair that *current* returns when a connection is opened.

    With *ask_client* a client without a certificate of the trust bundle is refused (mutual TLS).
    """
    served: list[Certified] = [current()]

    def changed() -> grpc.ServerCertificateConfiguration | None:
        # gRPC calls this at each handshake; None keeps the configuration it has.
        pair = current()
        if pair is served[0]:
            return None
        served[0] = pair
        return _configuration(pair, ask_client=ask_client)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(served[0], ask_client=ask_client),
        changed,  # type: ignore[arg-type]  # The stub does not know that None is allowed.
        require_client_authentication=ask_client,
    )


def _configuration(pair: Certified, *, ask_client: bool) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(pair.key, pair.certificate)], pair.trust_bundle if ask_client else None
    )
