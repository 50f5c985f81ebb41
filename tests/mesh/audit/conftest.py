"""Journals leave nothing in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh.audit import files, tail
from tests.mesh.audit.books import Books


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    """Empty ones. When a test is over, all there is of them is on the disk."""
    books = Books(tmp_path)
    yield books
    left = [each for each in files.replicas(books.folder) if tail.path_of(each).exists()]
    for each in left:
        tail.remove(each)
    assert [each.name for each in left] == []
