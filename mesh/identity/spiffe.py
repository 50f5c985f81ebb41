"""SPIFFE ids: `spiffe://<trust domain>/ns/plexus/sa/<workload>`."""

from __future__ import annotations

_PATH = "/ns/plexus/sa/"


def spiffe_id(trust_domain: str, workload: str) -> str:
    """The SPIFFE id of *workload*."""
    return f"spiffe://{trust_domain}{_PATH}{workload}"


def workload_of(spiffe_id: str, trust_domain: str) -> str | None:
    """The workload that *spiffe_id* names; None when it is of another trust domain or form."""
    prefix = f"spiffe://{trust_domain}{_PATH}"
    workload = spiffe_id.removeprefix(prefix)
    if workload == spiffe_id or not workload or "/" in workload:
        return None
    return workload


def server_name(trust_domain: str, workload: str) -> str:
    """The DNS name in *workload*'s certificate, for TLS clients that can match no SPIFFE id."""
    return f"{workload}.{trust_domain}"
