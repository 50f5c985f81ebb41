"""What a caller is told when a call fails: a documented reason, and nothing about how."""

from __future__ import annotations

from functools import cache
from typing import NoReturn

import grpc

from plexus.errors import (
    PUSHBACK,
    STATUS_DETAILS,
    DeadlineExceeded,
    Fault,
    Internal,
    Overloaded,
    PlexusError,
    Unavailable,
    status_code,
    to_status,
)
from plexus.type.v1.errors_pb2 import PlatformError

# Seconds that a caller must have left for a retry to come to anything.
_WORTH_A_RETRY = 0.25


class Overload(Fault):
    """There is more to do than can be done in time. *pushback* is when to return, in milliseconds."""

    def __init__(self, pushback: int) -> None:
        super().__init__(PlatformError, PlatformError.PLATFORM_ERROR_OVERLOADED)
        self.pushback = pushback


def outcome_of(error: BaseException) -> str:
    """The gRPC status name that a call which raised *error* ends with."""
    if isinstance(error, GeneratorExit) or _is_departure(error):
        return grpc.StatusCode.CANCELLED.name
    return status_code(fault_of(error).reason.code).name


def fault_of(error: BaseException) -> Fault:
    """The reason for failing that *error* amounts to.

    A required call that did not succeed for lack of an answer is DEPENDENCY_UNAVAILABLE. A business
    error of a dependency that the handler did not expect is a fault of the handler: INTERNAL.
    """
    if isinstance(error, Fault):
        return error
    if isinstance(error, Unavailable | Overloaded | DeadlineExceeded | Internal):
        named = error.metadata.get("dependency") or error.method
        return Fault(
            PlatformError,
            PlatformError.PLATFORM_ERROR_DEPENDENCY_UNAVAILABLE,
            dependency=named,
        )
    return Fault(PlatformError, PlatformError.PLATFORM_ERROR_INTERNAL)


def abort(error: BaseException, context: grpc.ServicerContext) -> NoReturn:
    """End the call with what *error* amounts to."""
    if _is_departure(error):
        context.abort(grpc.StatusCode.CANCELLED, "")
    fault = fault_of(error)
    trailing: tuple[tuple[str, str | bytes], ...] = ((STATUS_DETAILS, _details(fault)),)
    if isinstance(fault, Overload):
        trailing = (*trailing, (PUSHBACK, str(fault.pushback)))
    elif fault.reason.name == "STORE_UNAVAILABLE" and _is_nearly_over(context):
        # It was waited for. A retry (gRFC A6) would turn the reason into a missed deadline.
        trailing = (*trailing, (PUSHBACK, "-1"))
    context.set_trailing_metadata(trailing)
    context.abort(status_code(fault.reason.code), fault.reason.name)


def _details(fault: Fault) -> bytes:
    if isinstance(fault, Overload):
        return _overloaded()
    return _told(fault)


@cache
def _overloaded() -> bytes:
    # The same for every one, and there are many when there is no time to waste.
    return _told(Overload(0))


def _told(fault: Fault) -> bytes:
    told: bytes = to_status(fault).SerializeToString()
    return told


def _is_nearly_over(context: grpc.ServicerContext) -> bool:
    left = context.time_remaining()
    return left is not None and left < _WORTH_A_RETRY


def _is_departure(error: BaseException) -> bool:
    """Whether the caller went away while its requests were being read: gRPC raises a bare error."""
    return isinstance(error, grpc.RpcError) and not isinstance(error, PlexusError)
