"""One platform to be broken, for all the tests here: whoever breaks it leaves it whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.mesh.chaos.faults.broken import Broken, breakable


@pytest.fixture(scope="session")
def once_started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broken]:
    with breakable(tmp_path_factory.mktemp("broken")) as started:
        yield started


@pytest.fixture
def broken(once_started: Broken) -> Broken:
    """The platform, healthy."""
    once_started.await_healthy()
    return once_started
