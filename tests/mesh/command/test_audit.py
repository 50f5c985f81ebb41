"""`plexus audit verify` says, with nothing running, whether every journal is as it was written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mesh.audit import files
from mesh.command.program import app
from tests.mesh.audit.books import Books, filled


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state folder with journals, and anchors where the control plane puts them."""
    books = filled(tmp_path)
    folder = tmp_path / "control-plane"
    folder.mkdir()
    books.anchors.rename(folder / books.anchors.name)
    return tmp_path


def verify(home: Path, *more: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["--home", str(home), "audit", "verify", *more])
    return result.exit_code, result.stdout


def spoil(home: Path) -> None:
    journal = files.journals(Books(home).folder / "billing" / "billing-1")[0]
    path = files.segments(journal)[0]
    path.write_bytes(path.read_bytes().replace(b'"edge"', b'"none"', 1))


def test_whole_journals_are_told_one_by_one(home: Path) -> None:
    code, told = verify(home)
    assert code == 0
    assert [replica in told for replica in ("billing-1", "records-1", "records-2")] == [True] * 3


def test_a_tamper_is_told_with_its_place_and_by_the_exit_code(home: Path) -> None:
    spoil(home)
    code, told = verify(home)
    assert code == 1
    assert "edited at billing/billing-1/0001-jnl_" in told


def test_the_same_is_told_as_json(home: Path) -> None:
    spoil(home)
    code, told = verify(home, "--json")
    report = json.loads(told)
    assert (code, report["whole"]) == (1, False)
    assert [each["kind"] for each in report["findings"]] == ["edited"]
    assert [each["whole"] for each in report["journals"]] == [False, True, True]


def test_where_there_is_no_platform_nothing_is_believed(tmp_path: Path) -> None:
    code, _ = verify(tmp_path)
    assert code == 2
