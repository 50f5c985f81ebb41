"""The certificate authority of the mesh, and the signer of access tokens.

Keys are P-256. A certificate is an X.509 SVID: one SPIFFE id as its URI name (SPIFFE X509-SVID
standard, section 2). It also bears the DNS name `<workload>.<trust domain>`; only the control
plane's bears the hosts it listens on, so no other workload can stand in for it.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from jwt.algorithms import ECAlgorithm

from mesh.identity.files import PUBLIC, make_private_folder, write_first
from mesh.identity.keys import new_key, private_pem
from mesh.identity.spiffe import server_name, spiffe_id
from mesh.identity.tokens import ALGORITHM, AUDIENCE, ISSUER
from plexus.mesh.v1.identity_service_pb2 import Svid

_AUTHORITY_DAYS = 3650
# Clocks of two machines differ a little; a certificate is good a minute before it was made.
_SKEW = timedelta(minutes=1)


class CsrError(Exception):
    """The certificate signing request cannot be read or its signature does not hold."""


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates and access tokens with the keys in one folder."""

    trust_domain: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    token_key: ec.EllipticCurvePrivateKey

    @classmethod
    def open(cls, folder: Path, trust_domain: str) -> Authority:
        """The authority kept in *folder*, made on first use. Keys have mode 0600."""
        make_private_folder(folder)
        key = _key_at(folder / "ca.key")
        bundle = folder / "ca.pem"
        if not bundle.exists():
            write_first(bundle, _pem(_self_signed(key, trust_domain)), PUBLIC)
        return cls(
            trust_domain=trust_domain,
            key=key,
            certificate=x509.load_pem_x509_certificate(bundle.read_bytes()),
            token_key=_key_at(folder / "token.key"),
        )

    @property
    def trust_bundle(self) -> bytes:
        """The certificates to believe, PEM."""
        return _pem(self.certificate)

    def sign(self, csr_pem: str, workload: str, lifetime: float, hosts: Iterable[str] = ()) -> Svid:
        """An SVID of *lifetime* seconds for *workload* and the key of the request; CsrError.

        *hosts* are the names and addresses a TLS client may know the workload by.
        """
        expire_time = datetime.now(UTC) + timedelta(seconds=lifetime)
        names = _names(self.trust_domain, workload, hosts)
        certificate = self._issue(_public_key(csr_pem), names, expire_time)
        svid = Svid(
            spiffe_id=spiffe_id(self.trust_domain, workload),
            certificate_pem=_pem(certificate).decode(),
            trust_bundle_pem=self.trust_bundle.decode(),
            token_keys_json=self.token_keys(),
        )
        svid.expire_time.FromDatetime(certificate.not_valid_after_utc)
        return svid

    def issue_token(self, subject: str, scopes: Sequence[str], lifetime: int) -> tuple[str, int]:
        """An access token of *lifetime* seconds, and the instant (Unix seconds) it expires."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "scope": " ".join(sorted(scopes)),
            "iat": now,
            "exp": now + lifetime,
        }
        headers = {"kid": self._token_key_id()}
        return jwt.encode(claims, self.token_key, ALGORITHM, headers), now + lifetime

    def token_keys(self) -> str:
        """The JSON Web Key Set that access tokens are verified with."""
        key = ECAlgorithm.to_jwk(self.token_key.public_key(), as_dict=True)
        stated = {**key, "use": "sig", "alg": ALGORITHM, "kid": self._token_key_id()}
        return json.dumps({"keys": [stated]}, sort_keys=True)

    def _token_key_id(self) -> str:
        digest = x509.SubjectKeyIdentifier.from_public_key(self.token_key.public_key()).digest
        return digest.hex()[:16]

    def _issue(
        self,
        key: ec.EllipticCurvePublicKey,
        names: x509.SubjectAlternativeName,
        expire_time: datetime,
    ) -> x509.Certificate:
        authority = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        return (
            _builder(key, self.certificate.subject, datetime.now(UTC), expire_time)
            .subject_name(x509.Name([]))
            # Critical, as RFC 5280 section 4.1.2.6 asks when the subject is empty.
            .add_extension(names, critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
                ),
                critical=False,
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority.value),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )


def _self_signed(key: ec.EllipticCurvePrivateKey, trust_domain: str) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{trust_domain} authority")])
    now = datetime.now(UTC)
    trust = x509.UniformResourceIdentifier(f"spiffe://{trust_domain}")
    return (
        _builder(key.public_key(), name, now, now + timedelta(days=_AUTHORITY_DAYS))
        .subject_name(name)
        .add_extension(x509.SubjectAlternativeName([trust]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _builder(
    key: ec.EllipticCurvePublicKey, issuer: x509.Name, now: datetime, expire_time: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(expire_time)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _names(trust_domain: str, workload: str, hosts: Iterable[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(
        [
            x509.UniformResourceIdentifier(spiffe_id(trust_domain, workload)),
            x509.DNSName(server_name(trust_domain, workload)),
            *map(_host_name, hosts),
        ]
    )


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _public_key(csr_pem: str) -> ec.EllipticCurvePublicKey:
    try:
        csr = x509.load_pem_x509_csr(csr_pem.encode())
        key = csr.public_key()
        held = csr.is_signature_valid
    except (ValueError, InvalidSignature):
        raise CsrError("cannot be read") from None
    if not held:
        raise CsrError("its signature does not hold")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CsrError("its key is not P-256")
    return key


def _key_at(path: Path) -> ec.EllipticCurvePrivateKey:
    content = path.read_bytes() if path.exists() else write_first(path, private_pem(new_key()))
    key = serialization.load_pem_private_key(content, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path.name} is not an elliptic-curve key")
    return key


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
