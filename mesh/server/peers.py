"""Which workload is at the other end of a connection, by its certificate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mesh.identity.spiffe import workload_of

_REMEMBERED: Final = 256


class Peers:
    """Reads a certificate's names, and remembers to which workload they belong.

    gRPC hands out all that it knows of a connection, the whole certificate included, or only the names
    that the authority has put in it, for a sixth of the processor's time. The SPIFFE id is one of these
    names: who has shown the same names is the same workload.
    """

    def __init__(self, trust_domain: Callable[[], str]) -> None:
        self._trust_domain = trust_domain
        self._known: dict[tuple[bytes, ...], str] = {}

    def workload(self, context: Any) -> str:
        """The workload; empty when the certificate names none of this mesh, or there is none."""
        names = tuple(context.peer_identities() or ())
        known = self._known.get(names)
        if known is not None:
            return known
        for spiffe_id in context.auth_context().get("peer_spiffe_id", ()):
            workload = workload_of(spiffe_id.decode(), self._trust_domain()) or ""
            if workload and spiffe_id in names:
                self._remember(names, workload)
            return workload
        return ""

    def _remember(self, names: tuple[bytes, ...], workload: str) -> None:
        # Names change with what workloads there are, which is seldom.
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[names] = workload
