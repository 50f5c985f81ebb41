"""A small mesh of real processes for the tests that need one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mesh.small_mesh import SmallMesh


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[SmallMesh]:
    """A mesh with nothing running yet."""
    small = SmallMesh(tmp_path)
    yield small
    small.close()
