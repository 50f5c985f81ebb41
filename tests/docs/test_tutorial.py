"""The tutorial does what it says: every command of it, in order, on a platform of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh.runtime.client import Platform
from tests.docs import session
from tests.docs.fenced import ROOT, TUTORIAL, Step, blocks, missing, steps

# More than the session waits, so that its processes are ended in order.
pytestmark = [pytest.mark.xdist_group("platform"), pytest.mark.timeout(300)]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A state folder; nothing runs in it afterwards."""
    yield tmp_path / "home"
    session.end(tmp_path / "home")


def test_the_tutorial_does_what_it_says(home: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    typed = steps(blocks(TUTORIAL))
    ran = session.type_out(typed, ROOT, session.environment(ROOT, home), notes)
    for done in ran:
        where = f"{TUTORIAL.name}:{done.step.line}"
        assert done.code == (2 if done.step.fails else 0), f"{where}\n{done.printed}"
        assert done.step.fails or not done.failures, f"{where}: {done.failures}\n{done.printed}"
        absent = missing(done.step.shown, done.printed)
        assert not absent, f"{where}: not printed: {absent}\n{done.printed}"
    assert len(ran) == len(typed)
    billed = re.findall("app_[a-z2-7]+", printed_by(ran, "patient_id", "ListClaims"))
    assert len(billed) == len(set(billed)) == 2, "an appointment was billed twice, or not at all"
    assert not Platform(home).is_running()


def printed_by(ran: list[session.Ran], *words: str) -> str:
    """What the only step that has these words printed."""
    (found,) = (done for done in ran if all(word in done.step.commands for word in words))
    return found.printed


@pytest.mark.parametrize(
    ("shown", "printed", "absent"),
    [
        ("a\nb\n", "a\nx\nb\n", ""),
        ("b\na\n", "a\nb\n", "a"),
        ("billing … ready\n", "billing  2 are ready\n", ""),
        ("✓ 2 created\n", "✓ 3 created\n", "✓ 2 created"),
        ('"id": "cli_aaaaaaaaaaaaaaaaaaaa"', '"id": "cli_bbbbbbbbbbbbbbbbbbbb"', ""),
        ('"id": "cli_aaaaaaaaaaaaaaaaaaaa"', '"id": "pat_bbbbbbbbbbbbbbbbbbbb"', '"id": "cli_ID"'),
    ],
    ids=["less is shown", "another order", "left out", "another number", "an id", "another's id"],
)
def test_a_page_is_held_to_what_it_shows(shown: str, printed: str, absent: str) -> None:
    assert missing(shown, printed) == absent


def test_a_step_is_held_to_the_output_beside_it(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\nfalse\n```\n\n```text\n✗ no\n```\n\n```sh\ntrue\n```\n", "utf-8")
    assert steps(blocks(page)) == [Step("false\n", "✗ no\n", 1), Step("true\n", "", 9)]
