"""Certificates for peers: P-256 and short-lived, as Plexus's own are."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mesh.identity.authority import Authority
from mesh.identity.files import write_whole
from mesh.identity.keys import new_key, private_pem, signing_request

TRUST: Final = "trust.pem"
CERTIFICATE: Final = "cert.pem"
KEY: Final = "key.pem"

_DAY = 86_400.0


def make(folder: Path) -> Path:
    """A key, its certificate for 127.0.0.1 and whom to believe, as files in *folder*; the folder."""
    authority = Authority.open(folder / "authority", "plexus.local")
    key = new_key()
    svid = authority.sign(signing_request(key), "bench", _DAY, hosts=["127.0.0.1", "localhost"])
    write_whole(folder / KEY, private_pem(key))
    write_whole(folder / CERTIFICATE, svid.certificate_pem.encode())
    write_whole(folder / TRUST, svid.trust_bundle_pem.encode())
    return folder
