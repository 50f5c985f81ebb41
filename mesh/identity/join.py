"""Join tokens: how a process that has no certificate yet proves which workload it is.

A token is signed with a secret that the mesh's owner holds, and nothing is remembered of it, so
it survives a restart of the control plane. `<payload>.<signature>`, both base64url.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

from mesh.identity.files import make_private_folder, write_first

_PURPOSE = b"plexus join token 1\0"
_SECRET_BYTES = 32


class JoinTokenError(Exception):
    """The token is malformed, expired, or not signed with this secret. The text tells which."""


def secret_at(path: Path) -> bytes:
    """The secret kept at *path*, made on first use; its file is readable by its owner only."""
    make_private_folder(path.parent)
    if path.exists():
        return path.read_bytes()
    return write_first(path, secrets.token_bytes(_SECRET_BYTES))


def mint(secret: bytes, workload: str, name: str, lifetime: float) -> str:
    """A token that lets the process *name* join as *workload* for *lifetime* seconds."""
    stated = {"workload": workload, "name": name, "expires": time.time() + lifetime}
    payload = urlsafe_b64encode(json.dumps(stated, separators=(",", ":")).encode())
    return f"{payload.decode()}.{urlsafe_b64encode(_sign(secret, payload)).decode()}"


def verify(secret: bytes, token: str) -> tuple[str, str]:
    """The workload and the process name that *token* states; JoinTokenError when it is not good."""
    payload, _, signature = token.encode().partition(b".")
    try:
        given = urlsafe_b64decode(signature)
    except binascii.Error:
        raise JoinTokenError("malformed") from None
    if not hmac.compare_digest(given, _sign(secret, payload)):
        raise JoinTokenError("not signed by this mesh")
    stated = json.loads(urlsafe_b64decode(payload))
    if stated["expires"] <= time.time():
        raise JoinTokenError("expired")
    return stated["workload"], stated["name"]


def _sign(secret: bytes, payload: bytes) -> bytes:
    return hmac.digest(secret, _PURPOSE + payload, hashlib.sha256)
