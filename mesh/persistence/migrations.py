"""Brings a service's schema up to what its code expects.

A service keeps ordinary Alembic revisions in `<package>/migrations/versions`, in one line: the file
`0002_ledger.py` has `revision = "0002"` and `down_revision = "0001"`. The number of the last file is
the head, so that a replica which finds its database there has not even to import Alembic.
"""

import importlib.util
import os
import threading
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection, MetaData, Table

from mesh.persistence.database import Database

_ENVIRONMENT: Final = Path(__file__).parent / "environment"
# Alembic keeps the migration in progress in module state.
_alembic: Final = threading.Lock()


def migrate(database: Database, package: str) -> None:
    """Applies the revisions of *package* (such as `services.records`) the database lacks, all or
    none of them.

    Safe when replicas start together: one migrates, the others wait for it. RuntimeError when the
    database is ahead of this code.
    """
    versions = _versions(package)
    known = sorted(path.name.split("_")[0] for path in versions.glob("[0-9]*.py"))
    with database.read() as tx:
        current = _current(tx)
    if current == known[-1]:
        return
    if current is not None and current not in known:
        raise RuntimeError(
            f"the database of {package} is at {current} and this code knows up to {known[-1]}"
        )
    with _alembic, database.alter() as tx:
        _upgrade(tx, versions)


def differences(database: Database, *declared: MetaData | Table) -> list[object]:
    """How the database differs from the tables that the code declares; empty when it does not."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    expected = MetaData()
    for part in declared:
        for table in (part,) if isinstance(part, Table) else part.sorted_tables:
            table.to_metadata(expected)
    with database.read() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": True})
        return list(compare_metadata(context, expected))


def _versions(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"there is no package {package}")
    return Path(spec.submodule_search_locations[0]) / "migrations" / "versions"


def _current(tx: Connection) -> str | None:
    if not sa.inspect(tx).has_table("alembic_version"):
        return None
    return tx.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(tx: Connection, versions: Path) -> None:
    # Alembic takes a third of a second to import, and is rarely needed.
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": tx})
    config.set_main_option("path_separator", "os")
    config.set_main_option("script_location", _literal(_ENVIRONMENT))
    config.set_main_option("version_locations", _literal(versions))
    command.upgrade(config, "head")


def _literal(path: Path) -> str:
    # `%` is ConfigParser's, and the separator would cut the path in two.
    if os.pathsep in str(path):
        raise RuntimeError(f"a path with {os.pathsep} in it cannot hold migrations")
    return str(path).replace("%", "%%")
