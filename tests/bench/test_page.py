"""The page of figures."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from bench.page import KEPT, page, read, rendered


@pytest.fixture
def results() -> dict[str, Any]:
    """The committed results, to be altered."""
    return copy.deepcopy(read())


def test_the_committed_page_and_plot_are_what_the_committed_results_say() -> None:
    for path, text in rendered(read()).items():
        # Whole texts are not shown: they are long, and `python -m bench.page` mends it.
        assert path.read_text(encoding="utf-8") == text


def test_results_name_the_machine_in_words_and_no_place_on_it() -> None:
    for file in KEPT.iterdir():
        assert "/root" not in (said := file.read_text(encoding="utf-8"))
        assert "/home" not in said
    assert "cores" in read()["machine"]["machine"]


def test_a_peer_that_was_not_measured_is_told_with_the_reason(results: dict[str, Any]) -> None:
    results["tax"]["envoy"] = {"title": "sidecars", "absent": "no package for this machine"}
    results["failover"]["envoy"] = {"title": "sidecars", "absent": "no package for this machine"}
    told = page(results)
    assert "sidecars was not measured: no package for this machine." in told
    assert "not measured: no package for this machine |" in told


@pytest.mark.parametrize(("ratio", "missed"), [(1.35, False), (1.36, True)])
def test_an_aim_that_is_missed_is_said_to_be(
    results: dict[str, Any], ratio: float, missed: bool
) -> None:
    for shape in results["tax"]["plexus_1"]["shapes"].values():
        shape["ratio"] = ratio
    row = next(line for line in page(results).splitlines() if "at most 1.35" in line)
    assert ("(missed)" in row) is missed
