"""Prometheus's HTTP API, as far as tests ask it."""

from __future__ import annotations

from typing import Any

from tests.observability.http import fetch


class Prometheus:
    """A Prometheus that answers at *address*, `host:port`."""

    def __init__(self, address: str) -> None:
        self.address = address

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that a PromQL expression gives now: `metric` is the labels, `value` the value."""
        answer = fetch(self.address, "/api/v1/query", query=expression)
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def targets(self) -> list[dict[str, Any]]:
        """What is scraped, with `health`, `labels` and `lastError`."""
        found: list[dict[str, Any]] = fetch(self.address, "/api/v1/targets")["data"][
            "activeTargets"
        ]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Every rule that was loaded, with `name`, `query` and `health`."""
        groups = fetch(self.address, "/api/v1/rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]
