"""Who called whom: what spans say of it, and what the contracts do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mesh.topology import EDGE
from plexus.contract import Audience, Contract
from plexus.contract.graph import edges
from tests.observability.jaeger import Span

Pair = tuple[str, str]


def declared(contract: Contract) -> set[Pair]:
    """Every call between services that the contracts declare, `(caller, callee)`, by short names.

    A caller is a method such as `triage.SendMessage`. A background task has no call of its own that it
    is part of, so it is told as its service: `billing`. What tells records of accesses is left out:
    it leaves no spans on purpose, since there would be one for each call that it tells of.
    """
    methods = {method.short: method for method in contract.methods.values()}
    return {
        (edge.source if edge.source in methods else service_of(edge.source), edge.target)
        for edge in edges(contract)
        if methods[edge.target].audience is not Audience.AUDITED
    }


def between_services(pairs: Iterable[Pair]) -> set[Pair]:
    """The same by service alone, a service's calls within itself left out."""
    named = {(service_of(caller), service_of(callee)) for caller, callee in pairs}
    return {(caller, callee) for caller, callee in named if caller != callee}


def reachable(contract: Contract) -> set[Pair]:
    """What the contracts let the edge call: every service that has a method with a scope."""
    return {(EDGE, m.service) for m in contract.methods.values() if m.scope}


def made(spans: Sequence[Span]) -> set[Pair]:
    """The calls that the spans tell of, by the names that `declared` uses; the edge is `edge`."""
    known = {span.span_id: span for span in spans}
    return {
        (caller_of(span, known), short(span.name))
        for span in spans
        if span.kind == "server" and span.parent in known
    }


def caller_of(span: Span, known: Mapping[str, Span]) -> str:
    """The method that a served call was made from, or else the service, when no method was."""
    above = list(ancestors(span, known))
    served = next((one for one in above if one.kind == "server"), None)
    if served is not None and served.service == above[0].service:
        return short(served.name)
    return above[0].service


def ancestors(span: Span, known: Mapping[str, Span]) -> Iterator[Span]:
    """The spans above, the nearest first."""
    while span.parent in known:
        span = known[span.parent]
        yield span


def call_of(span: Span, known: Mapping[str, Span]) -> Span | None:
    """The caller's span of a call that was served. Attempts stand between the two."""
    return next((one for one in ancestors(span, known) if one.name != "attempt"), None)


def short(path: str) -> str:
    """`plexus.records.v1.RecordsService/GetChart` as `records.GetChart`."""
    service, _, method = path.rpartition("/")
    return f"{service.split('.')[1]}.{method}" if service.startswith("plexus.") else path


def service_of(name: str) -> str:
    """The service of a short name."""
    return name.partition(".")[0]
