"""Signatures of workloads: made with the key of a certificate of the mesh, checked against its root.

A certificate lasts an hour and a journal for years, so the certificate goes with what it signed. That
it has expired since says nothing; that the authority gave it to this workload says all.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from mesh.identity.serving import Certified
from mesh.identity.spiffe import workload_of

_SCHEME: Final = ec.ECDSA(hashes.SHA256())
_TRUST: Final = "spiffe://"


class SealError(ValueError):
    """A signature does not hold; the text says why."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key to sign with. *name* is that of its certificate, which is Base64 (DER)."""

    name: str
    certificate: str
    key: ec.EllipticCurvePrivateKey

    def sign(self, content: bytes) -> bytes:
        """The signature: ECDSA on P-256 over SHA-256, DER."""
        return self.key.sign(content, _SCHEME)


class Signer:
    """Gives the key of the certificate that *current* returns at the time."""

    def __init__(self, current: Callable[[], Certified]) -> None:
        self._current = current
        self._loaded: tuple[Certified, Key] | None = None

    def take(self) -> Key:
        """The key to sign with now. It stays what it is when the certificate is renewed meanwhile."""
        current = self._current()
        loaded = self._loaded
        if loaded is None or loaded[0] is not current:
            loaded = self._loaded = (current, _load(current))
        return loaded[1]


def _load(certified: Certified) -> Key:
    key = load_pem_private_key(certified.key, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise SealError("the key of the certificate is no elliptic-curve key")
    der = x509.load_pem_x509_certificate(certified.certificate).public_bytes(Encoding.DER)
    return Key(name_of(der), base64.b64encode(der).decode(), key)


def name_of(certificate: bytes) -> str:
    """The short name of a certificate, DER: it changes with every byte of it."""
    return hashlib.sha256(certificate).hexdigest()[:32]


@lru_cache(maxsize=4096)
def owner(certificate: str, root: bytes) -> tuple[str, str]:
    """The workload that a certificate, Base64, was given to, and its name; SealError.

    *root* is the certificate of the authority, PEM.
    """
    try:
        der = base64.b64decode(certificate, validate=True)
        found = x509.load_der_x509_certificate(der)
        found.verify_directly_issued_by(_root(root))
    except (ValueError, TypeError, InvalidSignature):
        raise SealError("its certificate is not of this mesh's authority") from None
    domain = _uris(_root(root))[0].removeprefix(_TRUST)
    workload = workload_of(_uris(found)[0], domain)
    if workload is None:
        raise SealError("its certificate names no workload of this mesh")
    return workload, name_of(der)


@lru_cache(maxsize=65536)
def check(certificate: str, content: bytes, signature: bytes) -> None:
    """That the holder of a certificate signed *content*; SealError."""
    key = _key(certificate)
    try:
        key.verify(signature, content, _SCHEME)
    except InvalidSignature:
        raise SealError("its signature does not hold") from None


@lru_cache(maxsize=4096)
def _key(certificate: str) -> ec.EllipticCurvePublicKey:
    key = x509.load_der_x509_certificate(base64.b64decode(certificate)).public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise SealError("its certificate has no elliptic-curve key")
    return key


@lru_cache(maxsize=16)
def _root(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def _uris(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.UniformResourceIdentifier)
