"""A request has one effect and one answer, however often and wherever it is sent.

The answer is stored under the caller and its `request_id` in the transaction of the effect. A repeat
gets the stored answer; one that arrives while the first is still at work waits for it. A request
that fails leaves nothing behind, so that it can be repeated.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

import sqlalchemy as sa
from google.protobuf.message import Message
from sqlalchemy import Connection

from mesh.persistence.database import Database
from mesh.persistence.schema import requests
from plexus.errors import Fault
from plexus.type.v1.errors_pb2 import PlatformError

R = TypeVar("R", bound=Message)

# How long an answer is kept: retries of a client that was offline overnight still find it.
RETENTION: Final = timedelta(hours=48)
_PURGE_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Which request: who sent it, under which id (empty: not to be recorded), and what it said."""

    caller: str
    request_id: str
    fingerprint: bytes


def once(
    database: Database,
    request: Message,
    response_type: type[R],
    work: Callable[[Connection], R],
) -> R:
    """The answer of a handler to *request*, from *work* in a write transaction, or from before.

    *request* has a `request_id`; caller and method are those of the call in progress. Raises Fault
    REQUEST_ID_REUSED when the caller used the id for another request. *work* may run again after
    a deadlock and must have no effect outside its transaction.
    """
    from mesh.server import current

    call = current()
    request_id: str = getattr(request, "request_id", "") or call.request_id
    key = key_of(call.caller, request_id, call.method, request)
    return once_as(database, key, response_type, work)


def once_as(
    database: Database, key: RequestKey, response_type: type[R], work: Callable[[Connection], R]
) -> R:
    """`once` for a key made by hand, such as that of a client stream's whole content."""
    return database.transact(
        lambda tx: once_within(tx, key, response_type, lambda: work(tx)),
    )


def once_within(
    tx: Connection, key: RequestKey, response_type: type[R], work: Callable[[], R]
) -> R:
    """`once` in a write transaction that has begun."""
    if not key.request_id:
        return work()
    mine = (requests.c.caller == key.caller) & (requests.c.request_id == key.request_id)
    # Inserting first makes a second transaction with the id wait until the first has ended.
    if not tx.execute(_CLAIM, _row(key)).rowcount:
        return _recall(tx, mine, key, response_type)
    response = work()
    answer = response.SerializeToString()
    tx.execute(sa.update(requests).where(mine).values(response=answer))
    return response


def key_of(caller: str, request_id: str, method: str, request: Message) -> RequestKey:
    """The key of a unary request to *method* (`/package.Service/Method`)."""
    return RequestKey(
        caller, request_id, fingerprint(method, request.SerializeToString(deterministic=True))
    )


def fingerprint(method: str, content: bytes) -> bytes:
    """What tells requests with the same id apart."""
    return hashlib.sha256(method.encode() + b"\0" + content).digest()


def purge(database: Database, retention: timedelta = RETENTION) -> int:
    """Forgets answers older than *retention*, in short transactions; returns how many."""
    before = time.time() - retention.total_seconds()
    identity = sa.tuple_(requests.c.caller, requests.c.request_id)
    old = (
        sa.select(requests.c.caller, requests.c.request_id)
        .where(requests.c.create_time < int(before))
        .limit(_PURGE_BATCH)
    )
    total = 0
    while True:
        with database.write() as tx:
            purged = tx.execute(sa.delete(requests).where(identity.in_(old))).rowcount
        total += purged
        if purged < _PURGE_BATCH:
            return total


_CLAIM: Final = sa.text(
    "INSERT INTO requests (caller, request_id, fingerprint, response, create_time)"
    " VALUES (:caller, :request_id, :fingerprint, :response, :create_time)"
    " ON CONFLICT DO NOTHING"
)


def _row(key: RequestKey) -> dict[str, object]:
    return {
        "caller": key.caller,
        "request_id": key.request_id,
        "fingerprint": key.fingerprint,
        "response": b"",
        "create_time": int(time.time()),
    }


def _recall(
    tx: Connection, mine: sa.ColumnElement[bool], key: RequestKey, response_type: type[R]
) -> R:
    row = tx.execute(sa.select(requests.c.fingerprint, requests.c.response).where(mine)).one()
    if bytes(row.fingerprint) != key.fingerprint:
        raise Fault(PlatformError, PlatformError.PLATFORM_ERROR_REQUEST_ID_REUSED)
    return response_type.FromString(bytes(row.response))
