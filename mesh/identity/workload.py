"""A process's own identity: obtained with its join token, kept on disk, renewed at half life.

Renewal happens in a daemon thread and disturbs no call: new connections use the new certificate,
standing ones keep what they were opened with. The control plane may be away for as long as the
certificate lasts.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mesh import clock, meaning
from mesh.identity.files import PRIVATE, PUBLIC, alone_in, make_private_folder, write_whole
from mesh.identity.keys import new_key, private_pem, signing_request
from mesh.identity.serving import Certified, rotating_server_credentials
from mesh.settings import Settings
from plexus.mesh.v1.identity_service_pb2 import (
    JoinMeshRequest,
    RenewCertificateRequest,
    Svid,
)
from plexus.mesh.v1.identity_service_pb2_grpc import IdentityServiceStub

_log = logging.getLogger(__name__)

_CERTIFICATE = "cert.pem"
_KEY = "key.pem"
_BUNDLE = "ca.pem"
_KEY_SET = "token_keys.json"

_ATTEMPT = 2.0
# A machine that slept wakes to a clock that jumped: the wait is looked at again this often.
_LONGEST_WAIT = 30.0
# The longest pause between attempts to renew a certificate that is about to expire, or has: the
# process is cut off until it has another.
_IMPATIENT = 1.0
_SHARE_OF_WHAT_IS_LEFT = 0.1


class IdentityError(Exception):
    """The process cannot prove who it is: no token, a refused one, or nobody answers in time."""

    tells_no_values = True


@dataclass(frozen=True, slots=True)
class Held(Certified):
    """One certificate with all that came with it. Times are UTC."""

    token_keys: bytes
    spiffe_id: str
    start_time: datetime
    expire_time: datetime

    @property
    def renew_in(self) -> float:
        """Seconds until the certificate should be renewed; negative when it is overdue."""
        since = (clock.now() - self.start_time).total_seconds()
        return self.life * meaning.RENEW_AT - since

    @property
    def life(self) -> float:
        """Seconds from the start to the end of its validity."""
        return (self.expire_time - self.start_time).total_seconds()

    @property
    def patience(self) -> float:
        """The longest pause, in seconds, between attempts to renew it."""
        left = (self.expire_time - clock.now()).total_seconds()
        return min(max(left * _SHARE_OF_WHAT_IS_LEFT, _IMPATIENT), _LONGEST_WAIT)

    @property
    def is_valid(self) -> bool:
        """Whether it has not expired, by the clock of this process."""
        return clock.now() < self.expire_time


class WorkloadIdentity:
    """Who this process is in the mesh. `start` before anything else."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.certificates
        self._held: Held | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._keep_fresh, name="identity", daemon=True)

    def start(self, timeout: float = 15.0) -> None:
        """Obtain the certificate, from disk when it is fresh, else by joining; IdentityError."""
        make_private_folder(self._folder)
        held = self._on_disk()
        if held is None or held.renew_in <= 0:
            held = self._join_or(held, timeout)
        self._held = held
        self._thread.start()

    def close(self) -> None:
        """Stop renewing."""
        self._closed.set()

    @property
    def held(self) -> Held:
        """The certificate in use."""
        if self._held is None:
            raise IdentityError("the identity was not started")
        return self._held

    @property
    def spiffe_id(self) -> str:
        """The SPIFFE id, such as `spiffe://plexus.local/ns/plexus/sa/records`."""
        return self.held.spiffe_id

    @property
    def trust_domain(self) -> str:
        """The trust domain, such as `plexus.local`."""
        return self.spiffe_id.removeprefix("spiffe://").partition("/")[0]

    @property
    def workload(self) -> str:
        """The workload, such as `records`."""
        return self.spiffe_id.rpartition("/")[2]

    @property
    def expire_time(self) -> datetime:
        """When the certificate in use expires."""
        return self.held.expire_time

    def token_keys(self) -> Path:
        """The file with the keys that access tokens are verified with."""
        return self._folder / _KEY_SET

    def server_credentials(self) -> grpc.ServerCredentials:
        """Mutual TLS with whatever certificate is current when a connection is opened."""
        return rotating_server_credentials(lambda: self.held)

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """Mutual TLS to the control plane, with the certificate that is current now."""
        held = self.held
        return grpc.ssl_channel_credentials(held.trust_bundle, held.key, held.certificate)

    def bootstrap(self, understudy: str | None = None) -> str:
        """The xDS bootstrap (gRFC A27, A65) for `GRPC_XDS_BOOTSTRAP_CONFIG`: read once by gRPC.

        *understudy* is the target of a server in this process to ask while the control plane is away.
        """
        files = {
            "certificate_file": str(self._folder / _CERTIFICATE),
            "private_key_file": str(self._folder / _KEY),
            "ca_certificate_file": str(self._folder / _BUNDLE),
            "refresh_interval": f"{meaning.CERTIFICATE_REFRESH}s",
        }
        server = {
            "server_uri": self._settings.control_plane,
            "channel_creds": [{"type": "tls", "config": files}],
            "server_features": ["xds_v3", "ignore_resource_deletion"],
        }
        servers = [server]
        if understudy is not None:
            features = {"server_features": server["server_features"]}
            creds = {"channel_creds": [{"type": "insecure"}]}
            servers.append({"server_uri": understudy, **creds, **features})
        return json.dumps(
            {
                "xds_servers": servers,
                "node": {"id": self._settings.replica, "cluster": self.workload},
                "certificate_providers": {"mesh": {"plugin_name": "file_watcher", "config": files}},
            }
        )

    def _join_or(self, held: Held | None, timeout: float) -> Held:
        if held is None or not held.is_valid:
            return self._join_within(timeout)
        try:
            return self._join_within(_ATTEMPT)
        except IdentityError:
            # Overdue and still valid: enough to work with until the control plane is back.
            return held

    def _join_within(self, timeout: float) -> Held:
        if not self._settings.join_token:
            raise IdentityError("there is no join token; PLEXUS_JOIN_TOKEN holds it")
        deadline = time.monotonic() + timeout
        pause = meaning.RECONNECT_FIRST
        while True:
            try:
                return self._join(self._settings.trust_bundle.read_bytes())
            except grpc.RpcError as error:
                if error.code() in _FINAL:
                    raise IdentityError(f"the mesh refused to sign: {error.details()}") from None
                cause = f"{self._settings.identity} does not answer: {error.code().name}"
            except FileNotFoundError:
                cause = f"there is no trust bundle at {self._settings.trust_bundle}"
            if time.monotonic() + pause > deadline or self._closed.wait(pause):
                raise IdentityError(cause) from None
            pause = min(pause * 1.5, meaning.RECONNECT_MOST)

    def _join(self, trust_bundle: bytes) -> Held:
        key = new_key()
        request = JoinMeshRequest(
            join_token=self._settings.join_token, csr_pem=signing_request(key)
        )
        credentials = grpc.ssl_channel_credentials(trust_bundle)
        with grpc.secure_channel(self._settings.identity, credentials) as channel:
            answer = IdentityServiceStub(channel).JoinMesh(request, timeout=_ATTEMPT)
        return self._keep(private_pem(key), answer.svid)

    def _renew(self) -> Held:
        key = new_key()
        request = RenewCertificateRequest(csr_pem=signing_request(key))
        credentials = self.channel_credentials()
        with grpc.secure_channel(self._settings.control_plane, credentials) as channel:
            answer = IdentityServiceStub(channel).RenewCertificate(request, timeout=_ATTEMPT)
        return self._keep(private_pem(key), answer.svid)

    def _keep_fresh(self) -> None:
        pause = meaning.RECONNECT_FIRST
        while not self._closed.wait(_bounded(self.held.renew_in)):
            if self.held.renew_in > 0:
                continue
            try:
                self._held = self._renew_or_join()
                pause = meaning.RECONNECT_FIRST
                _log.info("certificate_renewed", extra={"expires": self.expire_time.isoformat()})
                # A clock that is far ahead finds every certificate overdue: it asks for no more
                # than one a second.
                self._closed.wait(min(meaning.RECONNECT_MOST, _bounded(self.held.life / 4)))
            except (grpc.RpcError, OSError) as error:
                cause = error.strerror if isinstance(error, OSError) else error.code().name
                _log.warning("certificate_not_renewed", extra={"cause": cause})
                self._closed.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311
                pause = min(pause * 2, self.held.patience)

    def _renew_or_join(self) -> Held:
        try:
            return self._renew()
        except grpc.RpcError:
            # A certificate that expired cannot renew itself; the join token still can. Whether it
            # expired is the control plane's to say: the clock here may be wrong.
            if not self._settings.join_token:
                raise
            return self._join(self.held.trust_bundle)

    def _keep(self, key: bytes, svid: Svid) -> Held:
        # Several processes of one person may share the folder: the files are all of one of them.
        with alone_in(self._folder):
            for name, content, mode in (
                (_KEY, key, PRIVATE),
                (_CERTIFICATE, svid.certificate_pem.encode(), PUBLIC),
                (_BUNDLE, svid.trust_bundle_pem.encode(), PUBLIC),
                (_KEY_SET, svid.token_keys_json.encode(), PUBLIC),
            ):
                write_whole(self._folder / name, content, mode)
        return Held(
            certificate=svid.certificate_pem.encode(),
            key=key,
            trust_bundle=svid.trust_bundle_pem.encode(),
            token_keys=svid.token_keys_json.encode(),
            spiffe_id=svid.spiffe_id,
            start_time=clock.now(),
            expire_time=svid.expire_time.ToDatetime(UTC),
        )

    def _on_disk(self) -> Held | None:
        """What an earlier run left, when it is whole and of the authority that is believed now."""
        try:
            with alone_in(self._folder):
                certificate, key, trust_bundle, token_keys = (
                    (self._folder / name).read_bytes()
                    for name in (_CERTIFICATE, _KEY, _BUNDLE, _KEY_SET)
                )
            if self._settings.trust_bundle.read_bytes() != trust_bundle:
                return None
            parsed = x509.load_pem_x509_certificate(certificate)
            if load_pem_private_key(key, password=None).public_key() != parsed.public_key():
                return None
        except (FileNotFoundError, ValueError):
            return None
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return Held(
            certificate=certificate,
            key=key,
            trust_bundle=trust_bundle,
            token_keys=token_keys,
            spiffe_id=names.get_values_for_type(x509.UniformResourceIdentifier)[0],
            start_time=parsed.not_valid_before_utc,
            expire_time=parsed.not_valid_after_utc,
        )


_FINAL = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.INVALID_ARGUMENT,
    }
)


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), _LONGEST_WAIT)
