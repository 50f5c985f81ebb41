"""A request has one effect and one answer, however often and wherever it is sent.

The answer is stored under the caller and its `request_id` in the transaction of the effect. A repeat
gets the stored answer; one that arrives while the first is still at work waits for it. A request
that fails leaves nothing behind, so that it can be repeated.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from google.protobuf.message import Message
from sqlalchemy import Connection

from mesh import clock
from mesh.persistence.database import Database
from mesh.persistence.schema import requests
from plexus.client import inbound
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

    *request* has a `request_id`; the caller is that of the call in progress. Raises Fault
    REQUEST_ID_REUSED when the caller used the id for another request. *work* may run again after
    a deadlock and must have no effect outside its transaction.
    """
    call = inbound()
    request_id: str = getattr(request, "request_id", "") or (call.request_id if call else "")
    key = key_of(call.caller if call else "", request_id, request)
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
    mine = {"caller": key.caller, "request_id": key.request_id}
    # Inserting first makes a second transaction with the id wait until the first has ended.
    claim = {**mine, "fingerprint": key.fingerprint, "now": int(clock.seconds())}
    if not tx.execute(_CLAIM, claim).rowcount:
        return _recall(tx, mine, key, response_type)
    response = work()
    tx.execute(_ANSWER, {**mine, "response": _whole(response).SerializeToString()})
    return response


def key_of(caller: str, request_id: str, request: Message) -> RequestKey:
    """The key of a unary request. Its type stands for the method: no two methods share one."""
    content = request.SerializeToString(deterministic=True)
    return RequestKey(caller, request_id, fingerprint(request.DESCRIPTOR.full_name, content))


def fingerprint(kind: str, content: bytes) -> bytes:
    """What tells requests with the same id apart: what kind they are and what they say."""
    return hashlib.sha256(kind.encode() + b"\0" + content).digest()


def purge(database: Database, retention: timedelta = RETENTION) -> int:
    """Forgets answers older than *retention*, in short transactions; returns how many."""
    before = clock.seconds() - retention.total_seconds()
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


# Written out, since building them by parts costs more than running them.
_CLAIM: Final = sa.text(
    "INSERT INTO requests (caller, request_id, fingerprint, response, create_time)"
    " VALUES (:caller, :request_id, :fingerprint, '', :now) ON CONFLICT DO NOTHING"
)
_ANSWER: Final = sa.text(
    "UPDATE requests SET response = :response WHERE caller = :caller AND request_id = :request_id"
)
_RECALL: Final = sa.text(
    "SELECT fingerprint, response FROM requests WHERE caller = :caller AND request_id = :request_id"
)


def _recall(tx: Connection, mine: dict[str, str], key: RequestKey, response_type: type[R]) -> R:
    row = tx.execute(_RECALL, mine).one()
    if bytes(row.fingerprint) != key.fingerprint:
        raise Fault(PlatformError, PlatformError.PLATFORM_ERROR_REQUEST_ID_REUSED)
    call = inbound()
    if call is not None:
        # The first answer says what it lacked; what failed on the way of the repeat does not count.
        call.degradations.clear()
    return response_type.FromString(bytes(row.response))


def _whole(response: R) -> R:
    """The answer as the caller will get it: the stack adds what it lacks after the handler."""
    call = inbound()
    if call is None or not call.degradations:
        return response
    whole: Any = type(response)()
    whole.CopyFrom(response)
    whole.degradations.extend(call.degradations)
    result: R = whole
    return result
