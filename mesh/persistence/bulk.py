"""Many rows at once: SQLAlchemy makes a dictionary of each, and then another, which takes longer than
the database does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Dialect, Table

_REMEMBERED: Final = 64


def insert_rows(tx: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert *rows*, whose values are in the order of the table's columns and of the driver's own types."""
    statement, names = _insert(tx.dialect, table)
    if names:
        tx.exec_driver_sql(statement, [dict(zip(names, row, strict=True)) for row in rows])
    else:
        tx.exec_driver_sql(statement, [tuple(row) for row in rows])


@lru_cache(_REMEMBERED)
def _insert(dialect: Dialect, table: Table) -> tuple[str, tuple[str, ...]]:
    """The statement, and the names of its values, none when they go by their places."""
    names = tuple(column.name for column in table.columns)
    compiled = table.insert().compile(dialect=dialect, column_keys=list(names))
    return str(compiled), () if dialect.positional else names
