"""Rules as YAML. What is written is a small part of the language: lists of maps of strings."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tools.observatory.rules import Alert, Group, Recording

HEAD = "# Written by `python -m tools.observatory` from the contracts, which are what to change.\n"


def written(group: Group) -> str:
    """The file of one group."""
    lines = [f"# {group.about}", "groups:", f"  - name: {group.name}", "    rules:"]
    for rule in group.rules:
        lines += (f"      {line}" for line in _rule(rule))
    return HEAD + "\n".join(lines) + "\n"


def _rule(rule: Recording | Alert) -> Iterator[str]:
    kind = "record" if isinstance(rule, Recording) else "alert"
    yield f"- {kind}: {rule.name}"
    if "\n" in rule.expression:
        yield "  expr: |-"
        yield from (f"    {line}" for line in rule.expression.splitlines())
    else:
        yield f"  expr: '{rule.expression}'"
    if isinstance(rule, Alert):
        yield f"  for: {rule.hold}"
        yield "  labels:"
        for name, value in {"severity": rule.severity, **rule.labels}.items():
            yield f"    {name}: {value}"
        yield "  annotations:"
        yield f"    summary: {json.dumps(rule.summary)}"
        yield f"    runbook_url: {rule.playbook}"
