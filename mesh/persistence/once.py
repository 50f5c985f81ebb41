"""A request has one effect and one answer, however often and wherever it is sent.

The answer is stored under the caller and its `request_id` in the transaction of the effect. A repeat
gets the stored answer; one that arrives while the first is still at work waits for it.

A refusal is an answer and is stored too: attempts at one call (retries, hedges) meet a world that
changes between them, and one that is late must not do what the caller was told cannot be done. A
request that failed for want of a store, of time or by a mistake leaves nothing behind and can be
repeated.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from sqlalchemy import Connection

from mesh import clock
from mesh.persistence.database import Database
from mesh.persistence.schema import requests
from plexus.client import inbound
from plexus.contract.errors import PLATFORM_DOMAIN
from plexus.errors import Fault, restored, to_status
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
    REQUEST_ID_REUSED when the caller used the id for another request, and the Fault that the first
    was refused with. *work* may run again after a deadlock and must have no effect outside its
    transaction.
    """
    call = inbound()
    request_id: str = getattr(request, "request_id", "") or (call.request_id if call else "")
    key = key_of(call.caller if call else "", request_id, request)
    return once_as(database, key, response_type, work)


def once_as(
    database: Database, key: RequestKey, response_type: type[R], work: Callable[[Connection], R]
) -> R:
    """`once` for a key made by hand, such as that of a client stream's whole content."""
    try:
        return database.transact(lambda tx: once_within(tx, key, response_type, lambda: work(tx)))
    except Fault as fault:
        if not key.request_id or fault.reason.domain == PLATFORM_DOMAIN:
            raise
        refusal = fault
    settled = database.transact(lambda tx: _settle(tx, key, response_type, refusal))
    if settled is None:
        raise refusal
    return settled


def once_within(
    tx: Connection, key: RequestKey, response_type: type[R], work: Callable[[], R]
) -> R:
    """`once` in a write transaction that has begun."""
    if not key.request_id:
        return work()
    # Claiming first makes a second transaction with the id wait until the first has ended.
    if not _claim(tx, key):
        return _recall(tx, key, response_type)
    response = work()
    _answer(tx, key, _whole(response).SerializeToString(), refused=False)
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
    "INSERT INTO requests (caller, request_id, fingerprint, response, refused, create_time)"
    " VALUES (:caller, :request_id, :fingerprint, '', FALSE, :now) ON CONFLICT DO NOTHING"
)
_ANSWER: Final = sa.text(
    "UPDATE requests SET response = :response, refused = :refused"
    " WHERE caller = :caller AND request_id = :request_id"
)
_RECALL: Final = sa.text(
    "SELECT fingerprint, response, refused FROM requests"
    " WHERE caller = :caller AND request_id = :request_id"
)


def _claim(tx: Connection, key: RequestKey) -> bool:
    claim = {"caller": key.caller, "request_id": key.request_id, "now": int(clock.seconds())}
    return bool(tx.execute(_CLAIM, {**claim, "fingerprint": key.fingerprint}).rowcount)


def _answer(tx: Connection, key: RequestKey, response: bytes, *, refused: bool) -> None:
    mine = {"caller": key.caller, "request_id": key.request_id}
    tx.execute(_ANSWER, {**mine, "response": response, "refused": refused})


def _settle(tx: Connection, key: RequestKey, response_type: type[R], refusal: Fault) -> R | None:
    """Store the refusal; or, when another attempt was first, what that one was answered."""
    if not _claim(tx, key):
        return _recall(tx, key, response_type)
    _answer(tx, key, to_status(refusal).SerializeToString(), refused=True)
    return None


def _recall(tx: Connection, key: RequestKey, response_type: type[R]) -> R:
    mine = {"caller": key.caller, "request_id": key.request_id}
    row = tx.execute(_RECALL, mine).one()
    if bytes(row.fingerprint) != key.fingerprint:
        raise Fault(PlatformError, PlatformError.PLATFORM_ERROR_REQUEST_ID_REUSED)
    if row.refused:
        raise restored(Status.FromString(bytes(row.response)))
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
