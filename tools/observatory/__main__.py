"""Writes alerts, dashboards and the reference of metrics from the contracts and the definitions.

python -m tools.observatory render    writes them
python -m tools.observatory drift     fails when what is committed is not what would be written
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from plexus.contract import Contract, load
from tools.contracts import ROOT
from tools.observatory import grafana, reference, yaml
from tools.observatory.alerts import platform_alerts
from tools.observatory.chaos import chaos
from tools.observatory.mesh import mesh
from tools.observatory.overview import overview
from tools.observatory.rules import Group, method_alerts, recordings
from tools.observatory.service import service

RULES = ROOT / "observability" / "prometheus" / "rules"
DASHBOARDS = ROOT / "observability" / "dashboards"
REFERENCE = ROOT / "docs" / "reference" / "metrics.md"

_PLATFORM = "mesh"


def groups(contract: Contract) -> Iterator[Group]:
    """Every group of rules."""
    yield recordings(contract)
    for name in contract.workloads:
        yield method_alerts(contract, name)
    yield platform_alerts()


def dashboards(contract: Contract) -> Iterator[grafana.Dashboard]:
    """Every dashboard."""
    yield overview()
    yield service([name for name in sorted(contract.workloads) if name != _PLATFORM])
    yield mesh()
    yield chaos()


def rendered() -> dict[Path, str]:
    """Every file there is to be, and what is in it."""
    contract = load()
    files = {RULES / f"{group.name}.yaml": yaml.written(group) for group in groups(contract)}
    files |= {
        DASHBOARDS / f"{page.uid}.json": grafana.written(page) for page in dashboards(contract)
    }
    files[REFERENCE] = reference.page(contract)
    return files


def drifted() -> list[str]:
    """What is missing, other than it should be, or no longer wanted."""
    wanted = rendered()
    there = {*RULES.glob("*.yaml"), *DASHBOARDS.glob("*.json")}
    found = {
        path
        for path, text in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    return sorted(str(path.relative_to(ROOT)) for path in found | (there - wanted.keys()))


def render() -> None:
    """Write them all, and remove what is no longer wanted."""
    wanted = rendered()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for path in {*RULES.glob("*.yaml"), *DASHBOARDS.glob("*.json")} - wanted.keys():
        path.unlink()


def main(arguments: Sequence[str]) -> int:
    """Do what the first argument says; return the exit code."""
    if list(arguments) == ["render"]:
        render()
        return 0
    if list(arguments) == ["drift"]:
        for name in drifted():
            print(f"{name} is not up to date; run `make generate`")
        return 1 if drifted() else 0
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
