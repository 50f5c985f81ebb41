"""What a database error means: try again at once, tell the caller to come back, or a bug."""

import sqlite3
from typing import Final

from sqlalchemy import exc

from plexus.errors import Fault
from plexus.type.v1.errors_pb2 import PlatformError

# https://www.sqlite.org/rescode.html, primary codes
_SQLITE_UNAVAILABLE: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CORRUPT,
    }
)
# https://www.postgresql.org/docs/current/errcodes-appendix.html: serialization failure, deadlock
_CONTENDED: Final = frozenset({"40001", "40P01"})
# Lock not available, idle too long in a transaction, no such database
_POSTGRES_UNAVAILABLE: Final = frozenset({"55P03", "25P03", "3D000"}) | _CONTENDED
# Connection, insufficient resources, operator intervention, system error, authorization
_POSTGRES_UNAVAILABLE_CLASSES: Final = frozenset({"08", "53", "57", "58", "28"})


def store_unavailable() -> Fault:
    """The fault for a store that is locked or cannot be reached: nothing was acknowledged."""
    return Fault(PlatformError, PlatformError.PLATFORM_ERROR_STORE_UNAVAILABLE)


def is_contended(error: BaseException) -> bool:
    """Whether the transaction lost against another one and would succeed if run again."""
    return _sqlstate(error) in _CONTENDED


def is_unavailable(error: BaseException) -> bool:
    """Whether the store, not the statement, is the cause."""
    if isinstance(error, exc.TimeoutError):
        return True
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _SQLITE_UNAVAILABLE
    if not isinstance(error, exc.DBAPIError):
        return False
    state = _sqlstate(error)
    if state is None:
        # psycopg reports a connection that broke, or was never made, without a state.
        return error.connection_invalidated or isinstance(error, exc.OperationalError)
    return state in _POSTGRES_UNAVAILABLE or state[:2] in _POSTGRES_UNAVAILABLE_CLASSES


def without_values(error: Exception) -> Exception:
    """The same error, its text free of values: PostgreSQL quotes rows (`Key (name)=(…) already
    exists`). To be raised `from None`, since its cause says the same. SQLite quotes none."""
    state = _sqlstate(error)
    if state is not None:
        cause = getattr(error, "orig", None)
        constraint = getattr(getattr(cause, "diag", None), "constraint_name", None)
        error.args = (" ".join(filter(None, (type(cause).__name__, state, constraint))),)
    return error


def _sqlstate(error: BaseException) -> str | None:
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return state if isinstance(state, str) else None
