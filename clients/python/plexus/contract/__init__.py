"""The contract, read: what the .proto files state, as frozen values. Nobody else reads options."""

from plexus.contract.errors import Reason, reason, reasons
from plexus.contract.fields import DataClass, data_class, is_loggable
from plexus.contract.reader import (
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
)

__all__ = [
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
    "data_class",
    "is_loggable",
    "load",
    "reason",
    "reasons",
]
