"""A trace as a tree: who called whom, when, and for how long."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from plexus.mesh.v1.runtime_service_pb2 import Span


@dataclass(frozen=True, slots=True)
class Branch:
    """One span and what it led to. Times are in milliseconds; *start* counts from the tree's root."""

    service: str
    name: str
    kind: str
    status: str
    start: float
    length: float
    branches: tuple[Branch, ...] = ()


def drawn(root: Branch) -> Iterator[tuple[str, Branch]]:
    """Every branch with the lines that lead to it, parents first."""
    yield "", root
    for branch in root.branches:
        last = branch is root.branches[-1]
        corner, side = ("└─ ", "   ") if last else ("├─ ", "│  ")
        for stem, below in drawn(branch):
            yield corner if below is branch else side + stem, below


def grow(spans: Sequence[Span]) -> tuple[Branch, ...]:
    """The roots of a trace: spans whose parent was not kept."""
    known = {span.span_id for span in spans}
    children: dict[str, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=_start):
        children[span.parent_span_id if span.parent_span_id in known else ""].append(span)
    began = min(map(_start, spans), default=0)

    def branch(span: Span) -> Branch:
        return Branch(
            service=span.service,
            name=span.name,
            kind=span.kind,
            status=span.status,
            start=(_start(span) - began) / 1e6,
            length=(span.end_time.ToNanoseconds() - _start(span)) / 1e6,
            branches=tuple(map(branch, children[span.span_id])),
        )

    return tuple(map(branch, children[""]))


def services_of(spans: Iterable[Span]) -> list[str]:
    """The services in a trace, in the order in which they come into it."""
    ordered = sorted(spans, key=_start)
    return list(dict.fromkeys(span.service for span in ordered))


def simplify(branch: Branch) -> Branch:
    """The tree with each call once, as the callee's span of it, and nothing but calls."""
    kept: list[Branch] = []
    for child in branch.branches:
        if "/" not in child.name:
            continue
        served = [below for below in child.branches if below.name == child.name]
        kept.extend(served if child.kind == "client" and served else [child])
    return replace(branch, branches=tuple(map(simplify, kept)))


def _start(span: Span) -> int:
    return span.start_time.ToNanoseconds()
