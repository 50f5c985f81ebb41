"""The control plane's own certificate: signed by itself, fresh whenever it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import grpc

from mesh import meaning
from mesh.identity.authority import Authority
from mesh.identity.keys import new_key, private_pem, signing_request
from mesh.identity.serving import Certified
from mesh.topology import CONTROL_PLANE


class OwnIdentity:
    """Signs a certificate for *hosts*, and another when half of its *lifetime* is over."""

    def __init__(self, authority: Authority, lifetime: float, hosts: Iterable[str]) -> None:
        self._authority = authority
        self._lifetime = lifetime
        self._hosts = sorted(set(hosts))
        self._lock = threading.Lock()
        self._renew_time, self._certified = self._sign()

    def current(self) -> Certified:
        """The certificate to show. Called at every handshake, from gRPC's threads."""
        with self._lock:
            if datetime.now(UTC) >= self._renew_time:
                self._renew_time, self._certified = self._sign()
            return self._certified

    def validity(self) -> tuple[datetime, datetime]:
        """From when to when the certificate that is shown is valid."""
        self.current()
        with self._lock:
            renew_time = self._renew_time
        whole = timedelta(seconds=self._lifetime)
        begins = renew_time - whole * meaning.RENEW_AT
        return begins, begins + whole

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """Mutual TLS as the control plane."""
        shown = self.current()
        return grpc.ssl_channel_credentials(shown.trust_bundle, shown.key, shown.certificate)

    def _sign(self) -> tuple[datetime, Certified]:
        key = new_key()
        svid = self._authority.sign(
            signing_request(key), CONTROL_PLANE, self._lifetime, self._hosts
        )
        renew_time = datetime.now(UTC) + timedelta(seconds=self._lifetime * meaning.RENEW_AT)
        return renew_time, Certified(
            certificate=svid.certificate_pem.encode(),
            key=private_pem(key),
            trust_bundle=svid.trust_bundle_pem.encode(),
        )
