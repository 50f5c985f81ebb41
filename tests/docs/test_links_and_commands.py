"""What the pages tell their reader to type is run somewhere, and what they point to is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.fenced import EXECUTED, ROOT, blocks, steps

PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(p.startswith(".") or p == "build" for p in page.relative_to(ROOT).parts)
)
PLAYBOOKS = ROOT / "docs" / "playbooks"
SHELLS = frozenset({"sh", "bash", "shell", "console"})

_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:")
_COMMAND = re.compile(
    r"(?<![\w./$-])(?:\$\(BIN\)/|\.venv/bin/)?(?P<program>make|plexus|python -m)"
    r" +(?P<words>[a-z][\w.]*(?: [a-z]+)*)"
)
_GROUPS = frozenset({"contract", "audit"})


def titled(page: Path) -> str:
    """The page's path as a person writes it."""
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"^(`{3,})[^\n]*\n.*?^\1[ ]*$", "", text, flags=re.MULTILINE | re.DOTALL)


def verbs(text: str) -> Iterator[str]:
    """The commands of this repository in a text, without their arguments: `plexus contract show`."""
    for found in _COMMAND.finditer(text):
        words = found["words"].split(" ")
        depth = 2 if found["program"] == "plexus" and words[0] in _GROUPS else 1
        yield " ".join([found["program"], *words[:depth]])


def recipes() -> dict[str, str]:
    """The targets of the Makefile, each with what it runs."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return {
        found[1]: found[2]
        for found in re.finditer(r"^([a-z]+):[^\n]*\n((?:\t[^\n]*\n?)*)", text, re.MULTILINE)
    }


def run_somewhere() -> set[str]:
    """Every command that .ci/run or the test of a page runs, and what those run in turn."""
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    typed = "\n".join(step.commands for page in EXECUTED for step in steps(blocks(page)))
    # tests/observability/test_dashboards.py types all that playbooks say, with the gaps filled in.
    playbooks = "\n".join(prose(page) for page in PLAYBOOKS.glob("*.md"))
    found = {*verbs(ci), *verbs(typed), *verbs(playbooks)}
    for target, recipe in recipes().items():
        if f"make {target}" in found:
            found.update(verbs(recipe))
    return found


@pytest.mark.parametrize("page", PAGES, ids=titled)
def test_every_command_shown_is_run_by_a_test_or_by_ci(page: Path) -> None:
    typed = [b.text for b in blocks(page) if b.language in SHELLS and page not in EXECUTED]
    unknown = [
        line for text in typed for line in text.splitlines() if line and not list(verbs(line))
    ]
    assert not unknown, "nothing runs these"
    shown = {verb for text in (*typed, *_CODE.findall(prose(page))) for verb in verbs(text)}
    assert not shown - run_somewhere()


@pytest.mark.parametrize("page", PAGES, ids=titled)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = _LINK.findall(_CODE.sub("", prose(page)))
    assert [link for link in links if not _SCHEME.match(link) and not leads(page, link)] == []


def leads(page: Path, link: str) -> bool:
    """Whether there is a file at the link, and in it the heading it names."""
    path, _, heading = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return False
    return not heading or (target.suffix == ".md" and heading in anchors(target))


def anchors(page: Path) -> set[str]:
    """The names by which the headings of a page are linked to."""
    headings = re.findall(r"^#+ +(.+?) *$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("make up", ["make up"]),
        ("CLINIC=$(plexus call --field x a.B '{}')", ["plexus call"]),
        ("X=$(plexus status)", ["plexus status"]),
        ("$(BIN)/plexus contract check", ["plexus contract check"]),
        ("plexus contract show METHOD", ["plexus contract show"]),
        ("plexus call records.GetPatient", ["plexus call"]),
        ("python -m tools.reference drift", ["python -m tools.reference"]),
        ("a copy of make.up and plexus.client", []),
    ],
)
def test_a_command_is_known_by_its_verb(text: str, found: list[str]) -> None:
    assert list(verbs(text)) == found
