"""The documented reasons of scheduling, shortly said."""

from __future__ import annotations

from plexus.errors import Fault, Violation
from plexus.scheduling.v1.errors_pb2 import SchedulingError


def fault(reason: SchedulingError.ValueType, *violations: Violation, **metadata: str) -> Fault:
    """A reason of `plexus/scheduling/v1/errors.proto` with the metadata it documents."""
    return Fault(SchedulingError, reason, violations=violations, **metadata)
