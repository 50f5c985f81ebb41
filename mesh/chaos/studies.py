"""What is measured otherwise than by an experiment: histories under a storm, and overload of one server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mesh.chaos.history import run_history
from mesh.chaos.model import Shortfall
from mesh.runtime.client import Platform

Figures = Mapping[str, float]

OPERATIONS = 50_000
KILLS = 100
_OVERLOAD_SECONDS = 12
_OVERLOAD_LONGEST = 180.0
_BENCH = "bench.overload"

_OVERLOAD_HOLDS = (
    ("goodput_share", 0.9, None),
    ("vital_success", 0.995, None),
    ("vital_p99_ratio", None, 2.0),
)


@dataclass(frozen=True, slots=True)
class Study:
    """What a study found. *figures* is None when it could not be made."""

    name: str
    figures: Figures | None
    shortfalls: tuple[Shortfall, ...] = ()


def history(
    platform: Platform,
    seed: int,
    *,
    operations: int = OPERATIONS,
    kills: int = KILLS,
    tell: Callable[[str], None] = lambda _: None,
) -> Study:
    """Clients under a storm of kills, and the checker's judgement of what they were told."""
    found = run_history(
        platform,
        seed=seed,
        operations=operations,
        kills=kills,
        progress=lambda phase, done, killed: tell(f"{phase}: {done:,} operations, {killed} kills"),
    )
    figures = {name: found[name] for name in ("operations", "kills", "violations", "seed")}
    fallen = [
        *_fallen("history", figures, "operations", operations, None),
        *_fallen("history", figures, "kills", kills, None),
        *_fallen("history", figures, "violations", None, 0),
        *(Shortfall("history", "what was told is there", each) for each in found["found"]),
    ]
    return Study("history", MappingProxyType(figures), tuple(fallen))


def overload(root: Path) -> Study:
    """Three times the capacity of one server, by the bench of the source tree at *root*."""
    if not (root / "bench" / "overload.py").exists():
        return Study("overload", None)
    line = [sys.executable, "-m", _BENCH, "--seconds", str(_OVERLOAD_SECONDS)]
    try:
        subprocess.run(line, cwd=root, check=True, capture_output=True, timeout=_OVERLOAD_LONGEST)
        told = (root / "build" / "bench" / "overload-hands.json").read_text(encoding="utf-8")
    except (subprocess.SubprocessError, OSError) as error:
        return Study("overload", None, (Shortfall("overload", "it is measured", _why(error)),))
    measured: dict[str, Any] = json.loads(told)
    figures = {name: round(float(value), 4) for name, value in measured.items()}
    fallen = [each for hold in _OVERLOAD_HOLDS for each in _fallen("overload", figures, *hold)]
    return Study("overload", MappingProxyType(figures), tuple(fallen))


def _fallen(
    study: str, figures: Figures, name: str, at_least: float | None, at_most: float | None
) -> list[Shortfall]:
    figure = figures[name]
    if at_least is not None and figure < at_least:
        return [Shortfall(study, f"{name} is at least {at_least:g}", f"{figure:g}")]
    if at_most is not None and figure > at_most:
        return [Shortfall(study, f"{name} is at most {at_most:g}", f"{figure:g}")]
    return []


def _why(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {error.returncode}"
    return type(error).__name__
