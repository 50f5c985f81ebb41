"""Billing on a fresh database, migrated."""

import pytest

from mesh.persistence import Database, migrate
from tests.services.billing.practice import Practice


@pytest.fixture
def practice(database: Database) -> Practice:
    """Billing, with everything around it in the test's hands."""
    migrate(database, "services.billing")
    return Practice(database)
