"""Money: what was completed is claimed once, what was acknowledged is entered once, it all adds up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from mesh.chaos.history.books import Books, Entered
from mesh.chaos.history.checker.settled import Write
from mesh.chaos.history.checker.violation import Invariant, Violation
from mesh.chaos.history.operation import Kind, Operation, Status


def claims(books: Books, operations: Iterable[Operation]) -> Iterator[Violation]:
    """Completed appointments without a claim or with two, and claims for nothing."""
    completed = {row.id for row in books.appointments if row.completed}
    claimed = Counter(claim.appointment for claim in books.claims)
    for appointment in completed - claimed.keys():
        yield Violation(Invariant.CLAIMED_ONCE, f"{appointment} is completed and not claimed")
    for appointment, times in claimed.items():
        if times > 1:
            yield Violation(Invariant.CLAIMED_ONCE, f"{appointment} is claimed {times} times")
        if appointment not in completed:
            yield Violation(Invariant.CLAIMED_ONCE, f"{appointment} is claimed, not completed")
    for one in operations:
        if one.kind is Kind.FIND_CLAIM and one.answer and one.answer.amount > 1:
            detail = (
                f"{one.subject} had {one.answer.amount} claims when process {one.process} looked"
            )
            yield Violation(Invariant.CLAIMED_ONCE, detail)


def charges(books: Books) -> Iterator[Violation]:
    """Claims that are not charged exactly once, to what they say."""
    charged: dict[str, list[int]] = defaultdict(list)
    for entry in books.ledger:
        if entry.kind is Entered.CHARGE and entry.amount > 0:
            charged[entry.claim].append(entry.amount)
    for claim in books.claims:
        times = charged[claim.id]
        if len(times) > 1:
            detail = f"{claim.id} is charged {len(times)} times"
            yield Violation(Invariant.EFFECT_DOUBLED, detail)
        elif times != [claim.total]:
            detail = f"{claim.id} asks for {claim.total} and is charged {sum(times)}"
            yield Violation(Invariant.WRITE_LOST, detail)


def submissions(writes: Iterable[Write], books: Books) -> Iterator[Violation]:
    """Claims whose submission was acknowledged and is not there, and the other way round."""
    told = Counter(
        write.subject for write in writes if write.kind is Kind.SUBMIT and write.status is Status.OK
    )
    submitted = {claim.id for claim in books.claims if claim.submitted}
    for claim in told.keys() - submitted:
        detail = f"{claim} was acknowledged as submitted, and is not"
        yield Violation(Invariant.WRITE_LOST, detail)
    for claim in submitted - told.keys():
        detail = f"{claim} is submitted, which was acknowledged to nobody"
        yield Violation(Invariant.EFFECT_DOUBLED, detail)
    for claim, times in told.items():
        if times > 1:
            detail = f"{claim} was submitted by {times} requests"
            yield Violation(Invariant.EFFECT_DOUBLED, detail)


def payments(writes: Iterable[Write], books: Books) -> Iterator[Violation]:
    """Payments that were acknowledged and not entered, and the other way round."""
    told = Counter(
        (write.subject, write.amount)
        for write in writes
        if write.kind is Kind.PAY and write.status is Status.OK
    )
    ours = {claim.id for claim in books.claims} | {claim for claim, _ in told}
    entered = Counter(
        (entry.claim, entry.amount)
        for entry in books.ledger
        if entry.kind is Entered.PAYMENT and entry.amount > 0 and entry.claim in ours
    )
    for (claim, amount), times in (told - entered).items():
        detail = f"{times} payments of {amount} for {claim} were acknowledged and not entered"
        yield Violation(Invariant.WRITE_LOST, detail)
    for (claim, amount), times in (entered - told).items():
        detail = f"{times} payments of {amount} for {claim} were entered, acknowledged to nobody"
        yield Violation(Invariant.EFFECT_DOUBLED, detail)
    received: Counter[str] = Counter()
    for (claim, amount), times in entered.items():
        received[claim] += amount * times
    for found in books.claims:
        if found.paid != received[found.id]:
            detail = f"{found.id} counts {found.paid} as paid, the ledger {received[found.id]}"
            yield Violation(Invariant.LEDGER_UNBALANCED, detail)


def ledger(books: Books) -> Iterator[Violation]:
    """Transactions, and a ledger, that do not sum to zero."""
    sums: Counter[str] = Counter()
    for entry in books.ledger:
        sums[entry.transaction] += entry.amount
    for transaction, total in sums.items():
        if total:
            yield Violation(Invariant.LEDGER_UNBALANCED, f"{transaction} sums to {total}")
    if whole := sum(sums.values()):
        yield Violation(Invariant.LEDGER_UNBALANCED, f"the ledger sums to {whole}")
