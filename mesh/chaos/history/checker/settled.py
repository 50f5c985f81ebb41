"""Every write once: what came of it, over all the times it was sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mesh.chaos.history.checker.violation import Invariant, Violation
from mesh.chaos.history.operation import READS, Answer, Kind, Operation, Status


@dataclass(frozen=True, slots=True)
class Write:
    """A request and its outcome. *acknowledged* is when the first answer came, else infinity."""

    key: str
    kind: Kind
    subject: str
    amount: int
    status: Status
    began: float
    acknowledged: float
    answer: Answer | None


def settle(operations: Iterable[Operation]) -> tuple[list[Write], list[Violation]]:
    """The writes of a history, and those among them whose answers contradict each other."""
    by_key: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        if operation.kind not in READS:
            by_key[operation.key].append(operation)
    writes = [_write(sorted(sent, key=lambda one: one.ended)) for sent in by_key.values()]
    return writes, [each for sent in by_key.values() for each in _contradictions(sent)]


def _write(sent: list[Operation]) -> Write:
    acknowledged = next((one for one in sent if one.status is Status.OK), None)
    # A refusal leaves nothing behind; after it the request is as if it had never been sent.
    told = acknowledged or sent[-1]
    return Write(
        key=told.key,
        kind=told.kind,
        subject=told.subject,
        amount=told.amount,
        status=told.status,
        began=min(one.began for one in sent),
        acknowledged=acknowledged.ended if acknowledged else float("inf"),
        answer=told.answer,
    )


def _contradictions(sent: list[Operation]) -> Iterator[Violation]:
    answers = {one.answer for one in sent if one.status is Status.OK}
    if len(answers) > 1:
        yield Violation(
            Invariant.ANSWER_CHANGED,
            f"{sent[0].kind.value} {sent[0].key} got {len(answers)} different answers",
        )
    last = max(sent, key=lambda one: one.ended)
    if not answers and last.status is Status.UNKNOWN:
        yield Violation(
            Invariant.OUTCOME_UNSETTLED,
            f"{last.kind.value} {last.key} ended with {last.reason} however often it was sent",
        )
