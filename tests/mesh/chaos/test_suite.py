"""What is chosen to be run."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.chaos.suite import STUDIES, Suite
from mesh.runtime.errors import Mistake

SUITE = Suite(Path(__file__).parents[2] / "chaos", seed=4)


def test_all_is_every_experiment_and_study_and_has_to_show_every_figure() -> None:
    chosen = SUITE.choose(["all"], subset=False)
    assert (chosen.experiments, chosen.studies, chosen.whole) == (SUITE.experiments, STUDIES, True)


def test_the_short_run_is_shorter_and_is_not_held_to_what_it_leaves_out() -> None:
    chosen = SUITE.choose(["all"], subset=True)
    assert 0 < len(chosen.experiments) < len(SUITE.experiments)
    assert not chosen.whole


def test_experiments_and_studies_are_named_together() -> None:
    chosen = SUITE.choose(["kill-records", "history"], subset=False)
    assert ([each.name for each in chosen.experiments], chosen.studies) == (
        ["kill-records"],
        ("history",),
    )


def test_what_there_is_not_is_a_mistake() -> None:
    with pytest.raises(Mistake):
        SUITE.choose(["kill-everything"], subset=False)


def test_every_figure_of_a_whole_run_is_made_by_somebody() -> None:
    from mesh.chaos.report.outcome import HELD_TO

    made = {each.figure for each in SUITE.experiments} | set(STUDIES) | {"edges"}
    assert set(HELD_TO) <= made
