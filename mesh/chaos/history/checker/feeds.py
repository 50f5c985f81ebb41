"""Feeds and imports: whole, in order, the same for everybody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from mesh.chaos.history.books import Books, Filed, Followed
from mesh.chaos.history.checker.settled import Write
from mesh.chaos.history.checker.violation import Invariant, Violation
from mesh.chaos.history.operation import Kind, Status


def followers(books: Books) -> Iterator[Violation]:
    """Feeds that jumped, repeated themselves, ended early, or told two followers different things."""
    known: dict[tuple[str, int], int] = {}
    length: Counter[str] = Counter()
    for followed in books.feeds:
        yield from _jumps(followed)
        length[followed.feed] = max(length[followed.feed], len(followed.seen))
        for sequence, digest in followed.seen:
            if known.setdefault((followed.feed, sequence), digest) != digest:
                detail = f"{followed.follower}: event {sequence} is not what another follower saw"
                yield Violation(Invariant.FEED_BROKEN, detail)
    for followed in books.feeds:
        if len(followed.seen) < length[followed.feed]:
            detail = (
                f"{followed.follower} saw {len(followed.seen)} of {length[followed.feed]} "
                f"events of {followed.feed}"
            )
            yield Violation(Invariant.FEED_BROKEN, detail)


def imports(writes: Iterable[Write], books: Books) -> Iterator[Violation]:
    """Imports that were acknowledged and are not in the record, whole and once."""
    nothing = Filed(0, ())
    for write in writes:
        if write.kind is not Kind.IMPORT or write.status is not Status.OK or not write.answer:
            continue
        patient, expected = write.answer.subject, write.amount
        filed = books.filed.get(patient, nothing)
        told = Counter(filed.created)
        if write.answer.amount != expected or filed.originals != expected:
            detail = (
                f"{write.key}: of {expected} resources {write.answer.amount} were acknowledged "
                f"and {filed.originals} are there"
            )
            yield Violation(Invariant.IMPORT_INCOMPLETE, detail)
        if len(told) != expected:
            detail = f"{write.key}: {len(told)} of {expected} resources were told of as new"
            yield Violation(Invariant.IMPORT_INCOMPLETE, detail)
        if twice := sum(1 for times in told.values() if times > 1):
            detail = f"{write.key}: {twice} resources were told of as new more than once"
            yield Violation(Invariant.EFFECT_DOUBLED, detail)


def _jumps(followed: Followed) -> Iterator[Violation]:
    expected = 1
    for sequence, _ in followed.seen:
        if sequence != expected:
            detail = f"{followed.follower} got event {sequence} instead of {expected}"
            yield Violation(Invariant.FEED_BROKEN, detail)
        expected = sequence + 1
