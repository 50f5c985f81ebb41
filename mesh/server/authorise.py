"""Lets in whom the contract lets in. Everybody else gets the same answer, whatever they ask for."""

from __future__ import annotations

from typing import Any

from mesh.server.incoming import Handle, Incoming, Parts, Token
from plexus.contract import Audience, Method
from plexus.errors import Fault
from plexus.type.v1.errors_pb2 import PlatformError

EDGE = "edge"
OPERATOR = "operator"
BEARER = "Bearer "


def authorise(method: Method, parts: Parts, proceed: Handle) -> Handle:
    """Accept the workloads whose contracts declare a call to the method, and the edge by scope.

    A method for the operator accepts the operator. The certificate says who the workload is. At
    the edge a token says, too, whom it speaks for and which scopes they have. Fails with
    CALLER_NOT_ALLOWED, TOKEN_INVALID or SCOPE_MISSING.
    """
    callers = parts.contract.callers[method.path]
    if method.audience is Audience.OPERATOR:
        callers |= {OPERATOR}
    scope = method.scope

    def handle(incoming: Incoming) -> Any:
        workload = parts.identify(incoming.context)
        if workload in callers:
            incoming.caller = incoming.work.caller = workload
        elif workload == EDGE and scope:
            incoming.caller = workload
            token = _token(parts, incoming)
            incoming.subject = token.subject
            incoming.work.caller = _subject(token, scope)
        else:
            raise Fault(PlatformError, PlatformError.PLATFORM_ERROR_CALLER_NOT_ALLOWED)
        return proceed(incoming)

    return handle


def _token(parts: Parts, incoming: Incoming) -> Token:
    stated = str(incoming.metadata.get("authorization", ""))
    if parts.verify is None or not stated.startswith(BEARER):
        raise Fault(PlatformError, PlatformError.PLATFORM_ERROR_TOKEN_INVALID)
    return parts.verify(stated.removeprefix(BEARER))


def _subject(token: Token, scope: str) -> str:
    if scope not in token.scopes:
        raise Fault(PlatformError, PlatformError.PLATFORM_ERROR_SCOPE_MISSING, scope=scope)
    return f"{EDGE}/{token.subject}"
