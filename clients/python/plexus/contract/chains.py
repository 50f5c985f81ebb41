"""Cycles and chains of the call graph. A path is a tuple of method paths."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from math import prod
from typing import TypeAlias

from plexus.contract.reader import Contract, Need

Path: TypeAlias = tuple[str, ...]
Edges: TypeAlias = Mapping[str, Path]


def edges(contract: Contract, *needs: Need) -> Edges:
    """Which existing methods each method calls, by one of *needs* or, with none given, any."""
    return {
        path: tuple(
            sorted(
                call.method
                for call in method.calls.values()
                if call.method in contract.methods and (not needs or call.need in needs)
            )
        )
        for path, method in sorted(contract.methods.items())
    }


def cycles(graph: Edges) -> list[Path]:
    """The shortest cycle through each node that is on one, each cycle once, from its first node."""
    found = (_way(graph, node, node) for node in graph)
    return sorted({_rotated(cycle) for cycle in found if cycle})


def longest(graph: Edges, weight: Callable[[str], int]) -> Mapping[str, Path]:
    """From each node of a graph without cycles, the chain whose weights multiply to the most."""
    known: dict[str, Path] = {}

    def best(node: str) -> Path:
        if node not in known:
            tails = [best(callee) for callee in graph[node]]
            known[node] = (node, *max(tails, key=lambda tail: product(tail, weight), default=()))
        return known[node]

    return {node: best(node) for node in graph}


def product(chain: Path, weight: Callable[[str], int]) -> int:
    """What the weights of a chain multiply to."""
    return prod(map(weight, chain))


def without(graph: Edges, nodes: set[str]) -> Edges:
    """The graph less some of its nodes."""
    return {
        node: tuple(callee for callee in callees if callee not in nodes)
        for node, callees in graph.items()
        if node not in nodes
    }


def _way(graph: Edges, start: str, goal: str) -> Path:
    """The shortest way of at least one step, without the goal at its end; empty when none."""
    waiting: deque[Path] = deque([(start,)])
    seen: set[str] = set()
    while waiting:
        way = waiting.popleft()
        for callee in graph[way[-1]]:
            if callee == goal:
                return way
            if callee not in seen:
                seen.add(callee)
                waiting.append((*way, callee))
    return ()


def _rotated(cycle: Path) -> Path:
    first = cycle.index(min(cycle))
    return cycle[first:] + cycle[:first]
