"""Refuses a call that the work in progress does not declare in its contract."""

from __future__ import annotations

from typing import Any

from plexus.client.outgoing import Outgoing, Parts, Send
from plexus.contract import ContractError, Method


def declared(method: Method, parts: Parts, proceed: Send) -> Send:
    """Let declared calls pass. Outside the mesh there is nothing to declare: the server decides."""
    if not parts.enforce:
        return proceed

    path = method.path

    def send(out: Outgoing) -> Any:
        work = out.work
        if work is None:
            raise ContractError(f"{method.path} is called outside any method or task")
        if path not in work.calls:
            raise ContractError(f"{work.name} does not declare a call to {method.path}")
        return proceed(out)

    return send
