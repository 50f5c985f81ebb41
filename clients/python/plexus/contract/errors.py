"""The closed set of reasons for failing, read from the enums of every `errors.proto`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from plexus.contract.reader import ContractError, load, workload_of
from plexus.policy.v1 import policy_pb2 as policy

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor, EnumValueDescriptor

PLATFORM_DOMAIN = "plexus"


class ErrorEnum(Protocol):
    """A generated enum of reasons, such as `SchedulingError`."""

    @property
    def DESCRIPTOR(self) -> Any:
        """The enum's descriptor."""


@dataclass(frozen=True, slots=True)
class _Described:
    """An enum known by its descriptor alone."""

    DESCRIPTOR: Any


@dataclass(frozen=True, slots=True)
class Reason:
    """One documented reason. *code* is the gRPC status code's number; *domain* is who gives it.

    *mend* says in words what a caller can do about it; empty where there is nothing to add.
    """

    name: str
    domain: str
    code: int
    metadata: frozenset[str]
    mend: str


def reason(enum: ErrorEnum, value: int) -> Reason:
    """The reason that *value* of an error enum stands for; ContractError when it states no code."""
    return reasons(enum.DESCRIPTOR)[value]


@cache
def reasons(descriptor: EnumDescriptor) -> dict[int, Reason]:
    """Every reason of an error enum, by number."""
    prefix = _prefix(descriptor)
    domain = _domain(descriptor)
    return {
        value.number: _reason(value, prefix, domain) for value in descriptor.values if value.number
    }


def find(domain: str, name: str) -> tuple[ErrorEnum, int]:
    """The enum and the number of a reason, by who gives it and its name; else ContractError."""
    try:
        return _by_name()[domain, name]
    except KeyError:
        raise ContractError(f"no contract has the reason {name} of {domain}") from None


@cache
def _by_name() -> dict[tuple[str, str], tuple[ErrorEnum, int]]:
    return {
        (known.domain, known.name): (_Described(enum), number)
        for enum in load().error_enums
        for number, known in reasons(enum).items()
    }


def code(value: EnumValueDescriptor) -> int:
    """The gRPC status code's number that an error enum's value states; 0 when it states none."""
    return int(value.GetOptions().Extensions[policy.error].code)


def _reason(value: EnumValueDescriptor, prefix: str, domain: str) -> Reason:
    stated = value.GetOptions().Extensions[policy.error]
    if not stated.code:
        raise ContractError(f"{value.name} must state (plexus.policy.v1.error).code")
    return Reason(
        name=value.name.removeprefix(prefix),
        domain=domain,
        code=stated.code,
        metadata=frozenset(stated.metadata),
        mend=stated.mend,
    )


def _prefix(descriptor: EnumDescriptor) -> str:
    zero = descriptor.values_by_number[0].name
    return zero.removesuffix("UNSPECIFIED")


def _domain(descriptor: EnumDescriptor) -> str:
    owner = workload_of(descriptor.full_name)
    return PLATFORM_DOMAIN if owner == "type" else f"{owner}.{PLATFORM_DOMAIN}"
