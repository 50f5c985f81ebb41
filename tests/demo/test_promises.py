"""From observed facts to promises: which facts break which promise, and what programs are told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from demo.promises import (
    ENOUGH,
    Books,
    Facts,
    Intake,
    Journey,
    Phase,
    Tally,
    held,
    judge,
    report,
)

ALL = Tally(40, 40)
IDS = frozenset({"app_one", "app_two", "app_three"})


def tallies(changed: Mapping[tuple[Journey, Phase], Tally]) -> dict[tuple[Journey, Phase], Tally]:
    good = {(journey, phase): ALL for journey in Journey for phase in Phase}
    return {**good, (Journey.PAY, Phase.DURING): Tally(40, 0), **changed}


SOUND = Books(
    acknowledged=IDS,
    completed=IDS,
    claims=dict.fromkeys(IDS, 1),
    received=9000,
    entered=9000,
)
GOOD = Facts(
    intake=Intake(patients=50, resources=1995),
    tallies=tallies({}),
    breaker_ms=(0.02, 0.03, 7.0),
    books=SOUND,
    trace_services=("edge", "triage", "records", "scheduling"),
)


def broken(facts: Facts) -> list[str]:
    return [promise.words for promise in judge(facts) if not promise.held]


def test_all_promises_hold_though_nobody_can_pay_a_dead_billing() -> None:
    assert (broken(GOOD), held(judge(GOOD))) == ([], True)


@pytest.mark.parametrize(
    ("key", "tally", "expected"),
    [
        ((Journey.CHAT, Phase.DURING), Tally(200, 197), "care goes on"),
        ((Journey.BOOK, Phase.AFTER), Tally(40, 39), "care goes on"),
        ((Journey.VISIT, Phase.BEFORE), Tally(40, 0), "care goes on"),
        ((Journey.BOOK, Phase.DURING), Tally(200, 199), None),
        ((Journey.BOOK, Phase.DURING), Tally(ENOUGH - 1, ENOUGH - 1), "care goes on"),
        ((Journey.VISIT, Phase.AFTER), Tally(), "care goes on"),
        ((Journey.PAY, Phase.BEFORE), Tally(40, 30), "paying works"),
        ((Journey.PAY, Phase.AFTER), Tally(), "paying works"),
        ((Journey.PAY, Phase.DURING), Tally(), None),
    ],
)
def test_availability_is_held_to_its_phase_and_to_enough_tries(
    key: tuple[Journey, Phase], tally: Tally, expected: str | None
) -> None:
    found = broken(replace(GOOD, tallies=tallies({key: tally})))
    assert [words.startswith(expected or "") for words in found] == [True] * (expected is not None)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (replace(GOOD, intake=Intake(50, 1995, rejected=1)), "imported whole"),
        (replace(GOOD, intake=Intake(50, 1995, again=1)), "imported whole"),
        (replace(GOOD, intake=Intake(0, 1995)), "imported whole"),
        (replace(GOOD, breaker_ms=(0.2, 1.0, 3.0)), "an open breaker"),
        (replace(GOOD, breaker_ms=()), "an open breaker"),
        (replace(GOOD, trace_services=("edge", "triage")), "one trace"),
        (replace(GOOD, trace_services=("edge", "triage", "edge")), "one trace"),
    ],
)
def test_a_broken_promise_is_named(facts: Facts, expected: str) -> None:
    assert [words.startswith(expected) for words in broken(facts)] == [True]


ONE_SHORT = dict.fromkeys(IDS - {"app_one"}, 1)


@pytest.mark.parametrize(
    ("books", "counts", "expected"),
    [
        (replace(SOUND, claims=ONE_SHORT), (2, 1, 0, 0), "every visit"),
        (replace(SOUND, claims={**SOUND.claims, "app_one": 3}), (3, 0, 2, 0), "every visit"),
        (replace(SOUND, claims={**SOUND.claims, "app_x": 1}), (3, 0, 0, 1), "every visit"),
        (replace(SOUND, acknowledged=IDS | {"app_gone"}), (3, 1, 0, 0), "every visit"),
        (replace(SOUND, acknowledged=IDS - {"app_one"}), (3, 0, 0, 0), None),
        (Books(received=1, entered=1), (0, 0, 0, 0), "every visit"),
        (replace(SOUND, ledger=1), (3, 0, 0, 0), "the ledger"),
        (replace(SOUND, unbalanced=1), (3, 0, 0, 0), "the ledger"),
        (replace(SOUND, entered=18000), (3, 0, 0, 0), "the ledger"),
        (replace(SOUND, received=0, entered=0), (3, 0, 0, 0), "the ledger"),
        (replace(SOUND, double_booked=1), (3, 0, 0, 0), "no time"),
    ],
)
def test_nothing_is_lost_or_doubled_between_the_books(
    books: Books, counts: tuple[int, int, int, int], expected: str | None
) -> None:
    found = broken(replace(GOOD, books=books))
    seen = (books.claimed, books.lost, books.duplicated, books.unfounded)
    assert (seen, len(found)) == (counts, expected is not None)
    assert all(words.startswith(expected or "") for words in found)


def test_programs_are_told_the_same_figures() -> None:
    told = json.loads(json.dumps(report(GOOD)))
    assert told == {
        "patients": 50,
        "resources": 1995,
        "availability": {
            "chat": {"before": 1.0, "during": 1.0, "after": 1.0},
            "book": {"before": 1.0, "during": 1.0, "after": 1.0},
            "visit": {"before": 1.0, "during": 1.0, "after": 1.0},
            "pay": {"before": 1.0, "during": 0.0, "after": 1.0},
        },
        "breaker_open_ms_p50": 0.03,
        "completed": 3,
        "claimed": 3,
        "lost": 0,
        "duplicated": 0,
        "trace_services": ["edge", "triage", "records", "scheduling"],
    }


def test_what_was_not_seen_is_told_as_unknown() -> None:
    told = report(replace(GOOD, tallies={}, breaker_ms=()))
    unknown = {"before": None, "during": None, "after": None}
    assert (told["availability"]["pay"], told["breaker_open_ms_p50"]) == (unknown, None)
