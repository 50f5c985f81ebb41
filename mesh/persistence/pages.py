"""Page tokens: where the next page of a query begins, for the client to hand back.

A token carries numbers and ids only, never a value such as a name: a page goes on after the *row* of
an id (`after`), whatever that row says. Two bytes of check bind it to its query. They are an error
check and not a signature: a token gives no access that its request would not have. They are also no
more than two, so that a token in a log cannot confirm a guess at what was searched for.
"""

import hashlib
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from google.protobuf.message import Message

from plexus.errors import Fault
from plexus.type.v1.errors_pb2 import PlatformError

Key = str | int

_ID: Final = re.compile(r"[a-z]{2,5}_[a-z0-9]{8,40}")
_PAGING: Final = ("page_size", "page_token")
_CHECK: Final = 2


def fingerprint(request: Message) -> bytes:
    """What a query asks for, whichever page of it."""
    query = type(request)()
    query.CopyFrom(request)
    for field in _PAGING:
        query.ClearField(field)
    name = request.DESCRIPTOR.full_name.encode()
    return hashlib.sha256(name + b"\0" + query.SerializeToString(deterministic=True)).digest()


def encode(query_fingerprint: bytes, *key: Key) -> str:
    """The token of the page after *key*: ids (`pat_…`) and numbers, ValueError for anything else."""
    for part in key:
        if not isinstance(part, int) and not _ID.fullmatch(part):
            raise ValueError("a page token carries ids and numbers only")
    body = json.dumps(key, separators=(",", ":")).encode()
    return urlsafe_b64encode(_check(query_fingerprint, body) + body).decode().rstrip("=")


def decode(query_fingerprint: bytes, token: str) -> tuple[Key, ...]:
    """The key a token carries; empty for the first page. Raises Fault PAGE_TOKEN_INVALID when it
    was not made for this query."""
    if not token:
        return ()
    try:
        content = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        body = content[_CHECK:]
        if content[:_CHECK] == _check(query_fingerprint, body):
            return tuple(json.loads(body))
    except ValueError:
        pass
    raise Fault(PlatformError, PlatformError.PLATFORM_ERROR_PAGE_TOKEN_INVALID)


def after(
    order: Sequence[sa.Column[Any]], identity: sa.Column[str], last: Key
) -> sa.ColumnElement[bool]:
    """The rows that come after the row *last* in *order*, which ends with the id column itself.

    `select(t).where(after((t.c.name, t.c.id), t.c.id, last)).order_by(t.c.name, t.c.id)`
    """
    row = identity.table.alias()
    at = sa.select(*(row.c[column.name] for column in order))
    place = at.where(row.c[identity.name] == last).scalar_subquery()
    return sa.tuple_(*order) > place


def _check(query_fingerprint: bytes, body: bytes) -> bytes:
    return hashlib.sha256(query_fingerprint + body).digest()[:_CHECK]
