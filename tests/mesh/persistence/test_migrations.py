"""A replica finds or makes its schema, whoever starts with it."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import sqlalchemy as sa

from mesh.persistence import Database, Outbox, migrate
from mesh.persistence.migrations import differences
from mesh.persistence.schema import cursors, feeds, requests

_PACKAGE = "sample_service"

_metadata = sa.MetaData()
_events = Outbox("sample_events", _metadata)
_samples = sa.Table(
    "samples",
    _metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("weight", sa.Integer, nullable=False),
)
_SHARED = (requests, feeds, cursors)

_FIRST = """
    create_requests(op)
    create_feeds(op)
    create_outbox(op, "sample_events")
    add_traceparent(op, "sample_events")
    create_cursors(op)
    op.create_table("samples", sa.Column("id", sa.String(40), primary_key=True))
"""
_SECOND = """
    with op.batch_alter_table("samples") as samples:
        samples.add_column(sa.Column("weight", sa.Integer, nullable=False))
"""


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A service of two revisions: the folder of them."""
    monkeypatch.syspath_prepend(str(tmp_path))
    versions = tmp_path / _PACKAGE / "migrations" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / _PACKAGE / "__init__.py").touch()
    _add(versions, "0001", None, _FIRST)
    _add(versions, "0002", "0001", _SECOND)
    return versions


def _add(versions: Path, revision: str, before: str | None, body: str) -> None:
    (versions / f"{revision}_step.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        "from mesh.persistence.schema import *\n"
        f"revision = {revision!r}\ndown_revision = {before!r}\n\n"
        f"def upgrade() -> None:\n{body}\n"
    )


def _revision(database: Database) -> str | None:
    with database.read() as tx:
        return tx.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _migrate_elsewhere(url: str) -> "subprocess.Popen[str]":
    code = f"""
        import sys
        from mesh.persistence import Database, migrate
        migrate(Database({url!r}), {_PACKAGE!r})
        print("alembic" in sys.modules)
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_migrated_database_is_what_the_code_declares(database: Database, service: Path) -> None:
    assert differences(database, _metadata, *_SHARED)
    migrate(database, _PACKAGE)
    migrate(database, _PACKAGE)
    assert _revision(database) == "0002"
    assert differences(database, _metadata, *_SHARED) == []


def test_an_older_database_is_brought_up_and_keeps_its_rows(
    database: Database, service: Path
) -> None:
    second = service / "0002_step.py"
    content = second.read_text()
    second.unlink()
    migrate(database, _PACKAGE)
    second.write_text(content.replace("nullable=False", "nullable=False, server_default='1'"))
    with database.write() as tx:
        tx.execute(sa.text("INSERT INTO samples (id) VALUES ('sam_1')"))
    migrate(database, _PACKAGE)
    with database.read() as tx:
        assert tx.execute(sa.select(_samples)).all() == [("sam_1", 1)]


def test_a_revision_that_fails_leaves_the_database_as_it_was(
    database: Database, service: Path
) -> None:
    migrate(database, _PACKAGE)
    _add(service, "0003", "0002", '    op.drop_table("samples")\n    op.drop_table("none")')
    with pytest.raises(sa.exc.DBAPIError):
        migrate(database, _PACKAGE)
    assert _revision(database) == "0002"
    assert differences(database, _metadata, *_SHARED) == []


def test_replicas_that_start_together_migrate_once(
    database: Database, database_url: str, service: Path
) -> None:
    replicas = [_migrate_elsewhere(database_url) for _ in range(3)]
    assert [replica.communicate(timeout=60) and replica.returncode for replica in replicas] == [
        0,
        0,
        0,
    ]
    assert _revision(database) == "0002"
    assert differences(database, _metadata, *_SHARED) == []


def test_a_replica_that_finds_its_schema_does_not_load_alembic(
    database: Database, database_url: str, service: Path
) -> None:
    migrate(database, _PACKAGE)
    assert _migrate_elsewhere(database_url).communicate(timeout=60)[0] == "False\n"


def test_code_older_than_its_database_refuses_to_run(database: Database, service: Path) -> None:
    migrate(database, _PACKAGE)
    (service / "0002_step.py").unlink()
    with pytest.raises(RuntimeError, match="is at 0002 and this code knows up to 0001"):
        migrate(database, _PACKAGE)
