"""The contracts as compiled from source just now, with comments: once for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.contracts import image


@pytest.fixture(scope="session")
def contracts_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image(tmp_path_factory.mktemp("image") / "contracts.binpb")
