"""Triage on a fresh database."""

import pytest

from mesh.persistence import Database
from tests.services.triage.front_desk import FrontDesk


@pytest.fixture
def desk(database: Database) -> FrontDesk:
    """Triage, with everything around it in the test's hands."""
    return FrontDesk(database)
