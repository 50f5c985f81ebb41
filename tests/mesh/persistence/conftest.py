"""A small service: appointments that tell of themselves, on one database with two replicas."""

from collections.abc import Iterator

import pytest

from mesh.persistence import Database
from mesh.persistence.schema import metadata as shared
from tests.mesh.persistence.clinic import metadata


@pytest.fixture
def clinic(database: Database) -> Database:
    """A replica of the service, its tables made."""
    with database.write() as tx:
        shared.create_all(tx)
        metadata.create_all(tx)
    return database


@pytest.fixture
def replicas(clinic: Database, database_url: str) -> Iterator[tuple[Database, Database]]:
    """Two replicas of it, each with connections of its own."""
    second = Database(database_url)
    yield clinic, second
    second.close()
