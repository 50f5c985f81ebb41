"""A surgery on each database."""

from __future__ import annotations

import pytest

from mesh.persistence import Database
from tests.services.scheduling.surgery import Surgery


@pytest.fixture
def surgery(database: Database) -> Surgery:
    """A surgery without clinics."""
    return Surgery(database)
