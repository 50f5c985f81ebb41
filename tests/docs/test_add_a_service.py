"""A fifth service costs what its page says, and nothing else: the page, applied to a copy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.docs import session
from tests.docs.fenced import ADD_A_SERVICE, ROOT, Block, blocks, missing, steps

# More than the session waits, so that its processes are ended in order.
pytestmark = [pytest.mark.xdist_group("platform"), pytest.mark.timeout(300)]

# What `make generate` derives from all contracts, and nobody edits.
RENDERED = {
    "docs/reference/contracts.md",
    "docs/reference/metrics.md",
    "observability/dashboards/service.json",
    "observability/prometheus/rules/objectives.yaml",
}
GENERATED = ("clients/python/plexus/referrals/v1/", "observability/prometheus/rules/referrals.yaml")
TOPOLOGY = "topology.toml"
NEEDED = "records = { replicas = 1 }"

_NOT_COPIED = shutil.ignore_patterns(".*", "build", "*.egg-info")
_MADE_BY_RUNNING = {"__pycache__", "build", ".plexus", ".pytest_cache", ".venv", ".ruff_cache"}


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    """The repository, to be changed. Its topology has only what the new service needs."""
    folder = tmp_path / "copy"
    # Compiled modules come along: they fit, and the copy starts as fast as the original.
    shutil.copytree(ROOT, folder, ignore=_NOT_COPIED)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    topology = (folder / TOPOLOGY).read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in topology if "replicas =" not in line]
    kept.insert(kept.index("[services]\n") + 1, f"{NEEDED}\n")
    (folder / TOPOLOGY).write_text("".join(kept), encoding="utf-8")
    yield folder
    session.end(folder / ".plexus")


def test_a_fifth_service_costs_its_files_and_one_line(copy: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    page = blocks(ADD_A_SERVICE)
    before = contents(copy)
    written = write(page, copy)
    typed = steps(page)
    ran = session.type_out(typed, copy, session.environment(copy, copy / ".plexus"), notes)
    for done in ran:
        where = f"{ADD_A_SERVICE.name}:{done.step.line}"
        assert done.code == (2 if done.step.fails else 0), f"{where}\n{done.printed}"
        assert done.step.fails or not done.failures, f"{where}: {done.failures}\n{done.printed}"
        absent = missing(done.step.shown, done.printed)
        assert not absent, f"{where}: not printed: {absent}\n{done.printed}"
    assert len(ran) == len(typed)
    after = contents(copy)
    assert changed(before, after) == {TOPOLOGY} | RENDERED
    assert len(after[TOPOLOGY].splitlines()) == len(before[TOPOLOGY].splitlines()) + 1
    added = {name for name in after.keys() - before.keys() if not name.startswith(GENERATED)}
    assert added == set(written) - {TOPOLOGY}
    hold(copy, [name for name in written if name.endswith(".py")])


def write(page: Sequence[Block], folder: Path) -> list[str]:
    """Do with the titled blocks of a page what it says of them; the files that were written."""
    for block in page:
        if not block.title:
            continue
        path = folder / block.title
        text = block.text
        if path.exists():
            assert block.title == TOPOLOGY, f"the page replaces {block.title}"
            text = path.read_text(encoding="utf-8").replace("[services]\n", f"[services]\n{text}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [block.title for block in page if block.title]


def contents(folder: Path) -> Mapping[str, bytes]:
    """Every file that somebody could have edited."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not _MADE_BY_RUNNING & set(path.relative_to(folder).parts)
    }


def changed(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> set[str]:
    """The files that were there and are not as they were."""
    return {name for name in before if before[name] != after.get(name)}


def hold(folder: Path, names: Sequence[str]) -> None:
    """What a page gives to be copied passes what a commit must pass."""
    for check in (
        ["-m", "ruff", "format", "--check", *names],
        ["-m", "ruff", "check", *names],
        ["-m", "tools.contracts", "lint"],
        ["-m", "tools.contracts", "drift"],
    ):
        done = subprocess.run(
            [sys.executable, *check],
            cwd=folder,
            env=session.environment(folder, folder / ".plexus"),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
