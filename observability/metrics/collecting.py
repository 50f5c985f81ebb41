"""Collectors as functions: what is asked when somebody wants to know, and costs nothing until then."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.registry import Collector

Collect = Callable[[], Iterable[Any]]
"""Gives the metric families of this instant."""


class Collecting(Collector):
    """A function as a collector."""

    def __init__(self, collect: Collect) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Any]:
        """What the function gives now."""
        return self._collect()

    def describe(self) -> Iterable[Any]:
        """Nothing: names are known to be different, and what is read may not be there yet."""
        return ()


def register(*functions: Collect, registry: CollectorRegistry = REGISTRY) -> None:
    """Let *registry* ask each of *functions*."""
    for function in functions:
        registry.register(Collecting(function))
