"""Certificates as an operator would give them to Jaeger and its agents."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mesh.identity.keys import new_key, private_pem

_ADDRESS = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


class Issuer:
    """An authority of its own, which writes folders of `ca.crt`, `tls.crt` and `tls.key`."""

    def __init__(self, name: str) -> None:
        self._key = new_key()
        self._name = _named(name)
        made = _builder(self._name, self._name, self._key)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self._certificate = made.sign(self._key, hashes.SHA256())

    def write(self, folder: Path, name: str) -> Path:
        """The folder of somebody who is on 127.0.0.1."""
        key = new_key()
        made = _builder(_named(name), self._name, key)
        made = made.add_extension(x509.SubjectAlternativeName([_ADDRESS]), critical=False)
        folder.mkdir(parents=True)
        for file, pem in (
            ("ca.crt", _pem(self._certificate)),
            ("tls.crt", _pem(made.sign(self._key, hashes.SHA256()))),
            ("tls.key", private_pem(key)),
        ):
            (folder / file).write_bytes(pem)
        return folder


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
