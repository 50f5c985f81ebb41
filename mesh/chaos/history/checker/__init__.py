"""Judges a history: what clients were told, held against what the services hold. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from mesh.chaos.history.books import Books
from mesh.chaos.history.checker import appointments, feeds, money, reads
from mesh.chaos.history.checker.settled import settle
from mesh.chaos.history.checker.violation import Invariant, Violation
from mesh.chaos.history.operation import Operation

__all__ = ["Invariant", "Violation", "check"]


def check(operations: Sequence[Operation], books: Books) -> list[Violation]:
    """Every violation there is."""
    writes, found = settle(operations)
    for more in (
        appointments.acknowledged_changes(writes, books),
        appointments.possible_changes(books),
        appointments.rows_and_feed(books),
        appointments.slots(books),
        money.claims(books, operations),
        money.charges(books),
        money.submissions(writes, books),
        money.payments(writes, books),
        money.ledger(books),
        feeds.followers(books),
        feeds.imports(writes, books),
        reads.existing(operations),
        reads.versions(operations, books),
        reads.balances(operations, writes),
    ):
        found.extend(more)
    return found
