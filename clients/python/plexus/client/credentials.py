"""Sends the access token of a caller outside the mesh. Inside, the certificate is the credential."""

from __future__ import annotations

from typing import Any

from plexus.client.outgoing import Outgoing, Parts, Send
from plexus.contract import Method


def credentials(method: Method, parts: Parts, proceed: Send) -> Send:
    """Add `authorization: Bearer …` where the channel has a token."""
    del method
    token = parts.token
    if token is None:
        return proceed

    def send(out: Outgoing) -> Any:
        out.metadata.append(("authorization", f"Bearer {token()}"))
        return proceed(out)

    return send
