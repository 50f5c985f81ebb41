"""What a run leaves to be read."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from types import MappingProxyType
from xml.etree import ElementTree

import pytest
from rich.console import Console

from mesh.chaos import matrix
from mesh.chaos.judge import judge, skipped
from mesh.chaos.model import Effect, Experiment, Verdict
from mesh.chaos.report.document import document
from mesh.chaos.report.outcome import HELD_TO, Outcome
from mesh.chaos.report.page import page
from mesh.chaos.report.reference import reference
from mesh.chaos.report.terminal import summarize
from mesh.chaos.report.timeline import timeline
from plexus.contract import Need
from tests.mesh.chaos.contracts import contract
from tests.mesh.chaos.test_judge import DEGRADED, FAULT, GONE, WORKS, call, experiment, seen

CONTRACT = contract({"front.Show": {"back.Get": Need.OPTIONAL}, "back.Get": {}})
KEPT = judge(experiment(DEGRADED), seen(call(lacks=["back.Get"])))
BROKEN = judge(experiment(DEGRADED), seen(call("UNAVAILABLE"), call(lacks=["back.Get"])))


def outcome(*verdicts: Verdict, whole: bool = False, **figures: dict[str, float]) -> Outcome:
    return Outcome(
        seed=3,
        began=datetime(2026, 1, 2, tzinfo=UTC),
        seconds=60.0,
        verdicts=verdicts,
        matrix=matrix.assemble(verdicts),
        figures=MappingProxyType(figures),
        whole=whole,
    )


def test_the_document_has_the_figures_by_their_keys_and_every_cell() -> None:
    told = json.loads(document(outcome(KEPT, sigkill={"calls": 5, "failed": 0})))
    assert told["sigkill"] == {"calls": 5, "failed": 0}
    assert (told["held"], told["seed"]) == (True, 3)
    cell = told["matrix"]["rows"][0]["cells"]["front.Show"]
    assert (cell["declared"], cell["seen"], cell["calls"]) == ("degraded", "degraded", 1)


def test_a_whole_run_that_does_not_show_a_figure_has_not_held() -> None:
    shown = {key: {"calls": 1.0} for key in HELD_TO[1:]}
    assert [str(each) for each in outcome(whole=True, **shown).shortfalls] == [
        f"run: {HELD_TO[0]} is measured; seen: it was not"
    ]
    assert outcome(whole=False, **shown).held


def test_a_broken_cell_is_seen_in_every_form_of_the_report() -> None:
    broken = outcome(BROKEN)
    console = Console(record=True, width=200, file=None, quiet=True)
    console.print(summarize(broken))
    for text in (page(broken), reference(broken), document(broken)):
        assert "BROKEN" in text
        assert "1 of 2 calls fail with UNAVAILABLE" in text
    assert not broken.held


class Outside(HTMLParser):
    """Finds what a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.found += [
            value
            for name in ("src", "href", "xlink:href")
            if (value := told.get(name)) and not value.startswith("#")
        ]


def test_the_page_needs_nothing_else() -> None:
    parser = Outside()
    parser.feed(page(outcome(KEPT, BROKEN)))
    assert parser.found == []


def test_a_timeline_is_well_formed_and_its_ids_are_its_own() -> None:
    drawn = [timeline(name, KEPT.seen) for name in ("one", "two") if KEPT.seen]
    ids = [
        {found for each in ElementTree.fromstring(text).iter() if (found := each.get("id", ""))}
        for text in drawn
    ]
    # Clips and markers are referred to by their ids, and the page has many drawings.
    assert not {each for each in ids[0] & ids[1] if re.fullmatch("[pm][0-9a-f]{10}", each)}
    assert any(re.fullmatch("[pm][0-9a-f]{10}", each) for each in ids[0])


def test_the_reference_is_the_same_whenever_the_same_is_seen() -> None:
    slower = judge(experiment(DEGRADED), seen(call(lacks=["back.Get"], took=0.2)))
    assert reference(outcome(KEPT)) == reference(outcome(slower))


@pytest.mark.parametrize(
    ("verdicts", "tested", "broken"),
    [
        ((KEPT,), 0, 0),
        ((BROKEN,), 0, 1),
        ((skipped(experiment(DEGRADED), "no right"),), 0, 0),
        ((judge(experiment(WORKS, GONE), seen(call("UNAVAILABLE"))),), 0, 0),
    ],
)
def test_an_edge_is_tested_when_its_callee_was_taken_away_in_every_way(
    verdicts: tuple[Verdict, ...], tested: int, broken: int
) -> None:
    found = matrix.count_edges(CONTRACT, verdicts)
    assert found == {"declared": 1, "tested": tested, "broken": broken}


def test_an_edge_tested_in_every_way_counts() -> None:
    ways = [
        Experiment(kind, "", 7.0, (), (type(FAULT)(kind, "back"),), (), (DEGRADED,), where="back")  # type: ignore[arg-type]
        for kind in ("kill", "stop", "slow", "fail")
    ]
    verdicts = [judge(each, seen(call(lacks=["back.Get"]))) for each in ways]
    assert matrix.count_edges(CONTRACT, verdicts)["tested"] == 1
    assert all(cell.seen is Effect.DEGRADED for each in verdicts for cell in each.cells)
