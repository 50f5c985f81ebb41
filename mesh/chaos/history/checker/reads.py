"""Reads: none sees less than what was acknowledged before it began."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from mesh.chaos.history.books import Books
from mesh.chaos.history.checker.appointments import CHANGES
from mesh.chaos.history.checker.settled import Write
from mesh.chaos.history.checker.violation import Invariant, Violation
from mesh.chaos.history.operation import Kind, Operation, Status


def existing(operations: Iterable[Operation]) -> Iterator[Violation]:
    """Things that were not found. Clients only name what they have been told of."""
    for one in operations:
        if one.status is Status.FAILED and (
            one.reason.endswith("_NOT_FOUND") or one.reason == "PATIENT_UNKNOWN"
        ):
            detail = f"process {one.process}: {one.kind.value} of {one.subject}: {one.reason}"
            yield Violation(Invariant.READ_STALE, detail)


def versions(operations: Sequence[Operation], books: Books) -> Iterator[Violation]:
    """Appointments that were read as they had been before an answer given earlier.

    The feed orders an appointment's versions; etags tell them apart.
    """
    place = {
        event.appointment.version: event.sequence
        for event in sorted(books.events, key=lambda event: event.sequence)
    }
    answered: dict[str, list[tuple[float, int]]] = defaultdict(list)
    reads: list[Operation] = []
    for one in operations:
        if one.status is not Status.OK or one.answer is None:
            continue
        if one.kind is Kind.GET_APPOINTMENT:
            reads.append(one)
        if one.kind in CHANGES or one.kind is Kind.GET_APPOINTMENT:
            known = place.get(one.answer.version)
            if known is not None:
                answered[one.answer.subject].append((one.ended, known))
            elif one.kind is Kind.GET_APPOINTMENT:
                detail = f"{one.subject} was read as {one.answer.version}, which it never was"
                yield Violation(Invariant.READ_STALE, detail)
    newest = {name: _newest(seen) for name, seen in answered.items()}
    for read in reads:
        assert read.answer is not None
        seen = place.get(read.answer.version)
        ended, highest = newest.get(read.answer.subject, ([], []))
        before = bisect_left(ended, read.began)
        if seen is not None and before and highest[before - 1] > seen:
            detail = (
                f"process {read.process} read {read.subject} as of event {seen} "
                f"after event {highest[before - 1]} had been acknowledged"
            )
            yield Violation(Invariant.READ_STALE, detail)


def balances(operations: Iterable[Operation], writes: Iterable[Write]) -> Iterator[Violation]:
    """Claims that were read with less paid than was acknowledged, or more than was ever sent."""
    payments: dict[str, list[Write]] = defaultdict(list)
    for write in writes:
        if write.kind is Kind.PAY and write.status is Status.OK:
            payments[write.subject].append(write)
    for one in operations:
        if one.kind is not Kind.GET_CLAIM or one.status is not Status.OK or one.answer is None:
            continue
        made = payments[one.subject]
        least = sum(write.amount for write in made if write.acknowledged < one.began)
        most = sum(write.amount for write in made if write.began < one.ended)
        if not least <= one.answer.amount <= most:
            detail = (
                f"process {one.process} read {one.subject} with {one.answer.amount} paid, "
                f"which was between {least} and {most}"
            )
            yield Violation(Invariant.READ_STALE, detail)


def _newest(answered: list[tuple[float, int]]) -> tuple[list[float], list[int]]:
    answered.sort()
    return [ended for ended, _ in answered], list(accumulate((seen for _, seen in answered), max))
