"""Alerts and playbooks are in step, and what is rendered from the contracts is what is committed."""

from __future__ import annotations

from collections.abc import Iterator

from plexus.contract import load
from tests.docs.fenced import ROOT
from tools.observatory.__main__ import drifted, groups
from tools.observatory.rules import PLAYBOOKS, Alert

CASES = ROOT / "tests" / "observability" / "rules"
SECTIONS = ("Means", "Look", "Do", "Escalate")


def alerts() -> Iterator[Alert]:
    """Every alert there is."""
    for group in groups(load()):
        yield from (rule for rule in group.rules if isinstance(rule, Alert))


def test_every_alert_has_a_playbook_and_every_playbook_an_alert() -> None:
    there = {path.stem for path in (ROOT / PLAYBOOKS).glob("*.md")} - {"README"}
    assert there == {alert.name for alert in alerts()}


def test_every_playbook_says_what_it_means_how_to_look_what_to_do_and_whom_to_call() -> None:
    for path in sorted((ROOT / PLAYBOOKS).glob("*.md")):
        if path.stem == "README":
            continue
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {path.stem}\n")
        assert [s for s in SECTIONS if f"\n**{s}" not in text] == [], path.stem


def test_every_alert_is_seen_to_fire_and_not_to_fire() -> None:
    stated = "".join(path.read_text(encoding="utf-8") for path in CASES.glob("*.yaml"))
    for name in {alert.name for alert in alerts()}:
        assert stated.count(f"alertname: {name}") > 1, name


def test_every_method_has_an_objective_with_an_alert() -> None:
    told = {alert.labels["rpc_method"] for alert in alerts() if alert.name == "MethodFailing"}
    assert told == set(load().methods)


def test_what_is_committed_is_what_the_contracts_say() -> None:
    assert drifted() == []
