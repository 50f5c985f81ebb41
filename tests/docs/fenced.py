"""Fenced blocks of Markdown pages: what a page tells its reader to type, write and expect."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
ADD_A_SERVICE = ROOT / "docs" / "how-to" / "add-a-service.md"
EXECUTED = (TUTORIAL, ADD_A_SERVICE)
"""The pages whose every command a test runs."""

_FENCE = re.compile(r"^(`{3,})(\w*)[ ]*(?:title=(\S+))?[ ]*$")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block. *line* is where it begins in its page; *title* is the file it stands for."""

    language: str
    title: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Step:
    """Commands, typed together, and the output that the page shows for them, if it shows any."""

    commands: str
    shown: str
    line: int

    @property
    def fails(self) -> bool:
        """Whether the page shows the last command failing."""
        return any(line.startswith("✗") for line in self.shown.splitlines())


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    opened: tuple[str, str, str, int] | None = None
    inside: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if opened is None and (fence := _FENCE.match(line)):
            opened = (fence[1], fence[2], fence[3] or "", number)
            inside = []
        elif opened is not None and line == opened[0]:
            found.append(Block(opened[1], opened[2], "\n".join(inside) + "\n", opened[3]))
            opened = None
        elif opened is not None:
            inside.append(line)
    assert opened is None, f"{page.name}:{opened and opened[3]} opens a block that does not end"
    return found


def steps(found: Sequence[Block]) -> list[Step]:
    """The `sh` blocks, each with the untitled block of output that comes next, if one does."""
    return [
        Step(block.text, _shown(found[index + 1 : index + 2]), block.line)
        for index, block in enumerate(found)
        if block.language == "sh"
    ]


def _shown(following: Sequence[Block]) -> str:
    return next(
        (b.text for b in following if b.language in ("text", "json") and not b.title),
        "",
    )


_VARIES = (
    (re.compile(r"\b([a-z]{3})_[a-z2-7]{20}\b"), r"\1_ID"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "TIME"),
    (re.compile(r"\b127\.0\.0\.1:\d+\b"), "ADDRESS"),
    (re.compile(r"\btrace [0-9a-f]{32}\b"), "trace ID"),
    (re.compile(r"\b[\d,.]+ (ms|s|min)\b"), r"N \1"),
    (re.compile(r"(?<=\s)\d{2,8}$"), "PID"),
    (re.compile(r"\s+"), " "),
)


def missing(shown: str, printed: str) -> str:
    """The first shown line that was not printed after those before it; empty when all were.

    `…` stands for anything. Ids, times, durations, addresses and process numbers differ from run to
    run and count as equal.
    """
    lines = iter([_plain(line) for line in printed.splitlines()])
    for line in map(_plain, shown.splitlines()):
        pattern = ".*".join(map(re.escape, line.split("…")))
        if line != "…" and not any(re.fullmatch(pattern, had) for had in lines):
            return line
    return ""


def _plain(line: str) -> str:
    line = line.rstrip()
    for pattern, replacement in _VARIES:
        line = pattern.sub(replacement, line)
    return line.strip()
