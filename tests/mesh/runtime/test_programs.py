"""Which Jaeger is used, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.runtime.errors import ProgramMissing
from mesh.runtime.programs import JAEGER, find, obtain, version_of

REAL = 'echo \'{"gitCommit":"","gitVersion":"v2.99.0","buildDate":""}\'; echo more >&2'
OTHER = "echo 'an interface to a telescope'"


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment with a path and a cache folder of its own, both empty."""
    return {"PATH": str(tmp_path / "bin"), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def cached(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "plexus" / JAEGER.folder / "jaeger"


def test_what_the_variable_names_is_used_before_all_others(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    program(tmp_path / "bin" / "jaeger", REAL)
    mine = program(tmp_path / "mine", REAL)
    assert find(JAEGER, {**environ, "PLEXUS_JAEGER": str(mine)}) == mine


def test_the_path_goes_before_the_cache(tmp_path: Path, environ: dict[str, str]) -> None:
    kept = program(cached(tmp_path), REAL)
    assert find(JAEGER, environ) == kept
    on_path = program(tmp_path / "bin" / "jaeger", REAL)
    assert find(JAEGER, environ) == on_path


def test_another_program_of_that_name_is_passed_over(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    program(tmp_path / "bin" / "jaeger", OTHER)
    assert find(JAEGER, environ) is None


@pytest.mark.parametrize("script", [OTHER, "exit 1"])
def test_a_variable_that_names_something_else_is_a_mistake_and_says_so(
    tmp_path: Path, environ: dict[str, str], script: str
) -> None:
    wrong = program(tmp_path / "wrong", script)
    with pytest.raises(ProgramMissing) as mistake:
        find(JAEGER, {**environ, "PLEXUS_JAEGER": str(wrong)})
    assert "PLEXUS_JAEGER" in mistake.value.cause


def test_without_jaeger_and_without_go_it_is_said_what_to_do(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    monkeypatch.setenv("PATH", environ["PATH"])
    with pytest.raises(ProgramMissing) as mistake:
        obtain(JAEGER, environ=environ)
    assert "no Go" in mistake.value.cause
    assert "PLEXUS_JAEGER" in mistake.value.mend


def test_a_program_is_asked_for_its_version(tmp_path: Path) -> None:
    assert version_of(program(tmp_path / "jaeger", REAL), JAEGER) == "v2.99.0"
