"""Access tokens, verified: who an outside caller speaks for and what it may do.

A token is a JWT (RFC 7519) signed with ES256; `scope` is a space-separated list (RFC 8693,
section 4.2). Only the keys that the control plane gave with the certificate are believed.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jwt

from mesh import clock

ALGORITHM: Final = "ES256"
AUDIENCE: Final = "plexus"
ISSUER: Final = "plexus"

_KEPT = 1024


class TokenError(Exception):
    """The token is malformed, expired, not signed by this mesh, or there are no keys yet."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says. *expires* is in Unix seconds."""

    subject: str
    scopes: frozenset[str]
    expires: float


class TokenVerifier:
    """Verifies tokens with the JSON Web Key Set at a path, read again when the file changes."""

    def __init__(self, keys_path: Path) -> None:
        self._path = keys_path
        self._lock = threading.Lock()
        self._read_at = -1
        self._keys: dict[str, jwt.PyJWK] = {}
        self._known: dict[str, Token] = {}

    def verify(self, bearer: str) -> Token:
        """What *bearer*, the token without `Bearer `, says; TokenError when it is not good."""
        token = self._known.get(bearer)
        if token is None:
            token = self._remember(bearer, self._decode(bearer))
        if token.expires <= clock.seconds():
            raise TokenError("expired")
        return token

    def _remember(self, bearer: str, token: Token) -> Token:
        with self._lock:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[bearer] = token
        return token

    def _decode(self, bearer: str) -> Token:
        try:
            key = self._key(str(jwt.get_unverified_header(bearer).get("kid", "")))
            claims = jwt.decode(
                bearer,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={
                    "require": ["sub", "scope", "iat", "exp", "iss", "aud"],
                    # `verify` looks at the time, at each call and by this process's clock. When it was
                    # issued decides nothing: a clock that is behind would refuse every new token.
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
        except jwt.PyJWTError:
            raise TokenError("malformed or not signed by this mesh") from None
        return Token(
            subject=str(claims["sub"]),
            scopes=frozenset(str(claims["scope"]).split()),
            expires=float(claims["exp"]),
        )

    def _key(self, key_id: str) -> jwt.PyJWK:
        with self._lock:
            try:
                self._reload()
            except (OSError, ValueError, jwt.PyJWTError):
                raise TokenError("there are no keys to verify it with") from None
            if key_id not in self._keys:
                raise TokenError("malformed or not signed by this mesh")
            return self._keys[key_id]

    def _reload(self) -> None:
        changed = self._path.stat().st_mtime_ns
        if changed == self._read_at:
            return
        stated = json.loads(self._path.read_text(encoding="utf-8"))
        self._keys = {key["kid"]: jwt.PyJWK(key) for key in stated["keys"]}
        # What other keys vouched for is no longer believed.
        self._known.clear()
        self._read_at = changed
