"""What goes wrong, typed. Reasons are a closed set, documented in each service's `errors.proto`.

Fault                          what a handler raises; the server stack sends it
PlexusError (grpc.RpcError)    what a caller gets
├── Refused                    PERMISSION_DENIED, UNAUTHENTICATED
├── Invalid                    INVALID_ARGUMENT, OUT_OF_RANGE; `violations` says which field and why
├── NotFound                   NOT_FOUND
├── Conflict                   ALREADY_EXISTS, ABORTED
├── Unmet                      FAILED_PRECONDITION
├── Overloaded                 RESOURCE_EXHAUSTED
├── Unavailable                UNAVAILABLE
│   └── DependencyUnavailable  a dependency's breaker is open, or it did not answer
├── DeadlineExceeded           DEADLINE_EXCEEDED
├── Cancelled                  CANCELLED
└── Internal                   everything else
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from plexus.contract.errors import ErrorEnum, Reason, find, reason
from plexus.contract.reader import ContractError

STATUS_DETAILS = "grpc-status-details-bin"
PUSHBACK = "grpc-retry-pushback-ms"


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule of a request: the field's path and the rule, never the value."""

    field: str
    description: str
    rule: str


class Fault(Exception):
    """A documented reason for failing: `raise Fault(SchedulingError, SLOT_TAKEN, practitioner_id=…)`.

    The keyword arguments are the metadata the reason documents; one that it does not document, or
    one that is missing, is a ContractError.
    """

    def __init__(
        self,
        enum: ErrorEnum,
        value: int,
        *,
        violations: tuple[Violation, ...] = (),
        **metadata: str,
    ) -> None:
        self.reason: Reason = reason(enum, value)
        if metadata.keys() != self.reason.metadata:
            raise ContractError(
                f"{self.reason.name} carries {sorted(self.reason.metadata)}, not {sorted(metadata)}"
            )
        self.metadata = metadata
        self.violations = violations
        super().__init__(self.reason.name)


class PlexusError(grpc.RpcError):
    """A call that failed. *reason* is a documented name, or the gRPC code's where none was given.

    *method* is the call that failed, as `package.Service/Method`. *retry_after* is how many seconds the
    service asks to wait before trying again; 0 when it does not say.
    """

    # Its text is a documented reason and the names of fields and rules.
    tells_no_values = True

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str = "",
        domain: str = "",
        metadata: Mapping[str, str] | None = None,
        violations: tuple[Violation, ...] = (),
        details: str = "",
    ) -> None:
        self.status = code
        self.reason = reason or code.name
        self.domain = domain
        self.metadata: Mapping[str, str] = MappingProxyType(dict(metadata or {}))
        self.violations = violations
        self.method = ""
        self.retry_after = 0.0
        self._details = details
        super().__init__(self.details())

    def code(self) -> grpc.StatusCode:
        """The gRPC status code."""
        return self.status

    def details(self) -> str:
        """One line that says what happened, without any patient data."""
        named = ", ".join(f"{key}={value}" for key, value in sorted(self.metadata.items()))
        fields = "; ".join(f"{v.field}: {v.description}" for v in self.violations)
        return " ".join(filter(None, (self.reason, f"({named})" if named else "", fields))) or (
            self._details
        )

    @property
    def explanation(self) -> str:
        """What the transport said, for an operator."""
        return self._details


class Refused(PlexusError):
    """The caller may not do this."""


class Invalid(PlexusError):
    """The request breaks a rule of its contract."""


class NotFound(PlexusError):
    """There is no such thing."""


class Conflict(PlexusError):
    """Somebody else was first."""


class Unmet(PlexusError):
    """The state of things does not allow it."""


class Overloaded(PlexusError):
    """The service has more work than it can finish in time."""


class Unavailable(PlexusError):
    """The service does not answer."""


class DependencyUnavailable(Unavailable):
    """A dependency does not answer, or its breaker is open."""


class DeadlineExceeded(PlexusError):
    """The time was up."""


class Cancelled(PlexusError):
    """The caller called it off."""


class Internal(PlexusError):
    """The service failed in a way it did not foresee."""


_BY_CODE: Mapping[grpc.StatusCode, type[PlexusError]] = {
    grpc.StatusCode.PERMISSION_DENIED: Refused,
    grpc.StatusCode.UNAUTHENTICATED: Refused,
    grpc.StatusCode.INVALID_ARGUMENT: Invalid,
    grpc.StatusCode.OUT_OF_RANGE: Invalid,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: Conflict,
    grpc.StatusCode.ABORTED: Conflict,
    grpc.StatusCode.FAILED_PRECONDITION: Unmet,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.CANCELLED: Cancelled,
}

_CODES: Mapping[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


def status_code(number: int) -> grpc.StatusCode:
    """The gRPC status code of a number."""
    return _CODES[number]


def to_status(fault: Fault) -> status_pb2.Status:
    """The fault as google.rpc.Status with ErrorInfo, and BadRequest where fields are named."""
    status = status_pb2.Status(code=fault.reason.code, message=fault.reason.name)
    info = error_details_pb2.ErrorInfo(
        reason=fault.reason.name, domain=fault.reason.domain, metadata=fault.metadata
    )
    status.details.add().Pack(info)
    if fault.violations:
        bad = error_details_pb2.BadRequest()
        for violation in fault.violations:
            bad.field_violations.add(
                field=violation.field, description=violation.description, reason=violation.rule
            )
        status.details.add().Pack(bad)
    return status


def restored(status: status_pb2.Status) -> Fault:
    """The fault that `to_status` made *status* of; ContractError when no contract has its reason."""
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info) or detail.Unpack(bad)
    enum, value = find(info.domain, info.reason)
    return Fault(enum, value, violations=_violations(bad), **info.metadata)


def from_fault(fault: Fault) -> PlexusError:
    """The exception a caller gets for a fault."""
    return _build(
        status_code(fault.reason.code),
        fault.reason.name,
        fault.reason.domain,
        fault.metadata,
        fault.violations,
        "",
    )


def from_rpc(error: grpc.RpcError) -> PlexusError:
    """The typed exception for what gRPC raised."""
    if isinstance(error, PlexusError):
        return error
    call: Any = error
    code: grpc.StatusCode = call.code() or grpc.StatusCode.UNKNOWN
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    retry_after = 0.0
    for key, value in call.trailing_metadata() or ():
        if key == STATUS_DETAILS:
            for detail in status_pb2.Status.FromString(value).details:
                detail.Unpack(info) or detail.Unpack(bad)
        elif key == PUSHBACK and str(value).isdigit():
            retry_after = int(value) / 1000
    violations = tuple(
        Violation(field=v.field, description=v.description, rule=v.reason)
        for v in bad.field_violations
    )
    typed = _build(code, info.reason, info.domain, info.metadata, violations, call.details() or "")
    typed.retry_after = retry_after
    return typed


def _violations(bad: error_details_pb2.BadRequest) -> tuple[Violation, ...]:
    return tuple(
        Violation(field=v.field, description=v.description, rule=v.reason)
        for v in bad.field_violations
    )


def _build(
    code: grpc.StatusCode,
    reason: str,
    domain: str,
    metadata: Mapping[str, str],
    violations: tuple[Violation, ...],
    details: str,
) -> PlexusError:
    kind = _BY_CODE.get(code, Internal)
    if reason == "DEPENDENCY_UNAVAILABLE":
        kind = DependencyUnavailable
    return kind(code, reason, domain, metadata, violations, details)
