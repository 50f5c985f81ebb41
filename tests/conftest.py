"""What tests of every part share: a fresh database, on SQLite and on PostgreSQL."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh.persistence import Database
from tests import postgres

_RUN = "PLEXUS_TEST_RUN"


def pytest_configure(config: pytest.Config) -> None:
    """Names the run, in the process that outlives every worker."""
    if not hasattr(config, "workerinput"):
        os.environ[_RUN] = f"{os.getpid()}-{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def postgres_folder() -> Path:
    """The folder of the run's PostgreSQL, started when first asked for."""
    run = os.environ[_RUN]
    return postgres.start_once(run, owner=int(run.split("-")[0]))


@pytest.fixture
def postgres_url(postgres_folder: Path) -> str:
    """A schema of the test's own on PostgreSQL."""
    schema = f"test_{secrets.token_hex(6)}"
    with postgres.connect(postgres_folder) as connection:
        connection.execute(f'CREATE SCHEMA "{schema}"'.encode())
    return postgres.url(postgres_folder, schema)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A file of the test's own on SQLite."""
    return f"sqlite:///{tmp_path}/service.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database of the test's own: the test runs once on SQLite and once on PostgreSQL."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A `Database` on `database_url`."""
    database = Database(database_url)
    yield database
    database.close()
