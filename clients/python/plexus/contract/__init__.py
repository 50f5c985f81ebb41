"""The contract, read: what the .proto files state, as frozen values. Nobody else reads options."""

from plexus.contract.errors import Reason, reason, reasons
from plexus.contract.fields import DataClass, data_class, is_loggable, reveals
from plexus.contract.patients import can_name_patient, patients
from plexus.contract.proofs import assert_stated, check
from plexus.contract.reader import (
    TELLING,
    Audience,
    Call,
    Contract,
    ContractError,
    Criticality,
    Method,
    Need,
    Service,
    Task,
    load,
    read,
)
from plexus.contract.violation import Violation

__all__ = [
    "TELLING",
    "Audience",
    "Call",
    "Contract",
    "ContractError",
    "Criticality",
    "DataClass",
    "Method",
    "Need",
    "Reason",
    "Service",
    "Task",
    "Violation",
    "assert_stated",
    "can_name_patient",
    "check",
    "data_class",
    "is_loggable",
    "load",
    "patients",
    "read",
    "reason",
    "reasons",
    "reveals",
]
