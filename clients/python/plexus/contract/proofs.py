"""What the contracts must hold, proved before anything runs: `plexus contract check`.

Each proof is a function from a contract to its violations; this file only says which there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TypeAlias

from plexus.contract import call_proofs as calls
from plexus.contract import statement_proofs as statements
from plexus.contract.reader import Contract, ContractError
from plexus.contract.violation import Violation

Proof: TypeAlias = Callable[[Contract], Iterator[Violation]]

PROOFS: tuple[Proof, ...] = (
    statements.missing_policies,
    statements.writes_without_request_id,
    statements.unclassified_fields,
    statements.unchecked_ids,
    statements.unmarked_patients,
    statements.unnamed_patients,
    statements.access_logs_beyond_one,
    statements.errors_without_code,
    calls.unknown_methods,
    calls.calls_left_vague,
    calls.follows_no_stream,
    calls.required_cycles,
    calls.deadline_inversions,
    calls.criticality_inversions,
    calls.unrepeatable_calls,
    calls.silent_degradations,
)


def check(contract: Contract, *, attempts: int, max_attempts: int) -> list[Violation]:
    """Every violation, by file, then by what is to be changed; none when the contracts hold.

    *attempts* is how often a repeatable method is tried, *max_attempts* the bound on the product of
    attempts along any chain of calls.
    """
    bounded = calls.unbounded_attempts(contract, attempts=attempts, max_attempts=max_attempts)
    return sorted(chain(bounded, *(prove(contract) for prove in PROOFS)))


def assert_stated(contract: Contract, workload: str) -> None:
    """Raise ContractError when the workload has no contract, or one of its methods no policy."""
    services = contract.workloads.get(workload)
    if not services:
        raise ContractError(f"no contract has the workload {workload}")
    silent = [method.path for s in services for method in s.methods if not method.stated]
    if silent:
        raise ContractError(
            f"{workload} cannot start: no policy is stated for {', '.join(silent)}; "
            "state deadline_ms and criticality in `option (plexus.policy.v1.method)`"
        )
