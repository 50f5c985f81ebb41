"""Proofs about the call graph: what declared calls promise of each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from plexus.contract.chains import Path, cycles, edges, longest, product, without
from plexus.contract.reader import Call, Contract, Method, Need
from plexus.contract.violation import Violation


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever declares calls: a method, or a task of a service."""

    file: str
    name: str
    calls: tuple[Call, ...]
    repeatable: bool
    follows: str = ""

    def violates(self, proof: str, what: str, mend: str) -> Violation:
        """A violation by this caller."""
        return _violation(proof, self, what, mend)


def callers(contract: Contract) -> Iterator[Caller]:
    """Every method and task. A task repeats: after a crash it does its last step again."""
    for service in contract.services:
        for method in service.methods:
            yield Caller(method.file, method.path, method.declared, method.repeatable)
        for task in service.tasks:
            name = f"{service.full_name} task {task.name}"
            yield Caller(service.file, name, task.calls, repeatable=True, follows=task.follows)


def unknown_methods(contract: Contract) -> Iterator[Violation]:
    """Calls to, and feeds of, methods that no contract has."""
    for caller in callers(contract):
        targets = [*(call.method for call in caller.calls), *filter(None, [caller.follows])]
        for target in targets:
            if target not in contract.methods:
                yield caller.violates(
                    "unknown-method",
                    f"names {target}, which no contract has",
                    "name an existing method as `package.Service/Method`, or drop the call",
                )


def calls_left_vague(contract: Contract) -> Iterator[Violation]:
    """Calls without a need, optional ones without an effect, and calls declared twice."""
    for caller in callers(contract):
        declared: set[str] = set()
        for call in caller.calls:
            if call.need is Need.UNSPECIFIED:
                yield caller.violates(
                    "call-without-need",
                    f"does not say whether it needs {call.method}",
                    "state `need: NEED_REQUIRED` or `need: NEED_OPTIONAL`",
                )
            if call.need is Need.OPTIONAL and not call.effect.strip():
                yield caller.violates(
                    "optional-without-effect",
                    f"does not say what the answer lacks without {call.method}",
                    'state `effect: "…"`, in words for a person',
                )
            if call.method in declared:
                yield caller.violates(
                    "call-declared-twice",
                    f"declares {call.method} twice",
                    "keep one of the declarations",
                )
            declared.add(call.method)


def follows_no_stream(contract: Contract) -> Iterator[Violation]:
    """Tasks that follow a method which is not a feed."""
    for caller in callers(contract):
        feed = contract.methods.get(caller.follows)
        if feed and (not feed.server_streaming or feed.client_streaming):
            yield caller.violates(
                "follows-no-stream",
                f"follows {feed.path}, which is not a server stream",
                "follow an event feed: a method that `returns (stream …)`",
            )


def required_cycles(contract: Contract) -> Iterator[Violation]:
    """Methods that, by required calls, need themselves: none of them could ever answer."""
    for cycle in cycles(edges(contract, Need.REQUIRED)):
        yield _violation(
            "required-cycle",
            contract.methods[cycle[0]],
            f"requires itself: {_told((*cycle, cycle[0]))}",
            "drop one of these calls, or make it optional and answer without it",
        )


def deadline_inversions(contract: Contract) -> Iterator[Violation]:
    """Methods whose declared calls may take as long as the method itself, or longer.

    A handler makes its calls one after the other, so their deadlines add up; retries and hedges are
    inside a callee's deadline already. Optional calls count like required ones: a callee that hangs
    is given up only at its deadline, and the answer that does without it must still be in time.
    A task has no deadline of its own.
    """
    for method in _stated(contract):
        known = [contract.methods[path] for path in method.calls if path in contract.methods]
        needed = sum(_milliseconds(callee) for callee in known if callee.stated)
        if known and needed >= _milliseconds(method):
            yield _violation(
                "deadline-inversion",
                method,
                f"has {_milliseconds(method)} ms, and its calls may take {needed} ms",
                f"raise its deadline_ms above {needed}, or lower its callees'",
            )


def criticality_inversions(contract: Contract) -> Iterator[Violation]:
    """Methods that require something which is shed before they are."""
    for method in _stated(contract):
        for call in method.calls.values():
            callee = contract.methods.get(call.method)
            if not callee or not callee.stated or call.need is not Need.REQUIRED:
                continue
            if callee.criticality > method.criticality:
                own, other = method.criticality.name.lower(), callee.criticality.name.lower()
                yield _violation(
                    "criticality-inversion",
                    method,
                    f"is {own} and requires {callee.path}, which is {other}",
                    f"make the callee {own}, or the call optional",
                )


def unrepeatable_calls(contract: Contract) -> Iterator[Violation]:
    """Repeatable methods, and tasks, that call what must not be repeated: their retry is its retry."""
    for caller in callers(contract):
        if not caller.repeatable:
            continue
        for target in (*(call.method for call in caller.calls), caller.follows):
            callee = contract.methods.get(target)
            if callee and not callee.repeatable:
                yield caller.violates(
                    "unrepeatable-call",
                    f"may be repeated and calls {callee.path}, which may not",
                    "state the callee's idempotency_level, or take the caller's away",
                )


def unbounded_attempts(
    contract: Contract, *, attempts: int, max_attempts: int
) -> Iterator[Violation]:
    """Chains whose attempts multiply beyond the bound, and cycles, where they know none.

    Every repeatable method of a chain, the first one too, may be tried *attempts* times for each
    try of the one before it. A chain is reported where it crosses the bound. Cycles of required
    calls have a proof of their own.
    """

    def tries(path: str) -> int:
        return attempts if contract.methods[path].repeatable else 1

    graph = edges(contract)
    for cycle in cycles(graph):
        if not _all_required(contract, cycle):
            yield _violation(
                "unbounded-attempts",
                contract.methods[cycle[0]],
                f"calls itself without end: {_told((*cycle, cycle[0]))}",
                "drop one of these calls",
            )
    acyclic = without(graph, {path for cycle in cycles(graph) for path in cycle})
    chains = longest(acyclic, tries)
    for path, callees in acyclic.items():
        for callee in callees:
            within = product(chains[callee], tries) <= max_attempts
            worst = tries(path) * product(chains[callee], tries)
            if within and worst > max_attempts:
                yield _violation(
                    "unbounded-attempts",
                    contract.methods[path],
                    f"may cause {worst} attempts, and {max_attempts} are the bound: "
                    + _told((path, *chains[callee])),
                    "shorten the chain",
                )


def silent_degradations(contract: Contract) -> Iterator[Violation]:
    """Methods with optional calls whose response cannot say what it lacks."""
    for method in contract.methods.values():
        optional = [call for call in method.declared if call.need is Need.OPTIONAL]
        if optional and not method.reports_degradation:
            yield _violation(
                "silent-degradation",
                method,
                f"calls {optional[0].method} optionally, and its response cannot say so",
                f"add `repeated plexus.type.v1.Degradation degradations` to {method.output.name}",
            )


def _violation(proof: str, by: Method | Caller, what: str, mend: str) -> Violation:
    name = by.path if isinstance(by, Method) else by.name
    return Violation(file=by.file, method_or_field=name, proof=proof, what=what, mend=mend)


def _stated(contract: Contract) -> list[Method]:
    return [method for method in contract.methods.values() if method.stated]


def _milliseconds(method: Method) -> int:
    return round(method.deadline * 1000)


def _all_required(contract: Contract, cycle: Path) -> bool:
    steps = zip(cycle, (*cycle[1:], cycle[0]), strict=True)
    return all(
        contract.methods[caller].calls[callee].need is Need.REQUIRED for caller, callee in steps
    )


def _told(path: Path) -> str:
    return " → ".join(name.partition("/")[2] for name in path)
