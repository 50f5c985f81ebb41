"""Holds the shape of the tree: no long file without a reason, no cycle between modules.

python -m tools.layout
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 400
PACKAGES = ("plexus", "observability", "mesh", "services", "demo")

REASONS: Mapping[str, str] = {
    "tests/services/records/test_fhir_reading.py": "one table of what R4 allows and forbids",
}
"""Files that may be longer, each with the reason."""


def long_files() -> Iterator[str]:
    """Python files over the limit that have no reason to be."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    for name in listed:
        path = ROOT / name
        if "_pb2" in name or name in REASONS or not path.exists():
            continue
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > LONGEST:
            yield f"{name}: {lines} lines; split it, or give its reason in tools/layout.py"


def cycles() -> Iterator[str]:
    """Groups of modules that import each other."""
    graph = grimp.build_graph(*PACKAGES)
    for component in _components(
        {m: graph.find_modules_directly_imported_by(m) for m in graph.modules}
    ):
        yield "modules import each other: " + ", ".join(sorted(component))


def _components(edges: Mapping[str, set[str]]) -> Iterator[set[str]]:
    """Strongly connected components of more than one module."""
    reach = {module: _reachable(edges, module) for module in edges}
    seen: set[str] = set()
    for module in sorted(edges):
        together = {other for other in reach[module] if module in reach[other]}
        if module not in seen and module in reach[module] and len(together) > 1:
            seen |= together
            yield together


def _reachable(edges: Mapping[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = list(edges.get(start, ()))
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting.extend(edges.get(module, ()))
    return found


def main() -> int:
    """Print what is out of shape; 1 when something is."""
    found = [*long_files(), *cycles()]
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
