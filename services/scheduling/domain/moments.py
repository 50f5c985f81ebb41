"""Timestamps as whole seconds since 1970."""

from __future__ import annotations

import math
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from plexus.type.v1.period_pb2 import Period

# What google.protobuf.Timestamp can stand for: the years 1 to 9999.
_FIRST, _LAST = -62_135_596_800, 253_402_300_799


def whole(moment: datetime) -> int:
    """The first whole second that is not before *moment*."""
    return math.ceil(moment.timestamp())


def bounds(period: Period) -> tuple[int | None, int | None]:
    """Start and end; None where the period is open.

    Whole seconds at or after both: what begins at whole seconds is within one if within the other.
    """
    return (
        _ceiling(period.start) if period.HasField("start") else None,
        _ceiling(period.end) if period.HasField("end") else None,
    )


def _ceiling(timestamp: Timestamp) -> int:
    return max(_FIRST, min(timestamp.seconds + (timestamp.nanos > 0), _LAST))
