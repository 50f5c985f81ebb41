"""Those who share a few places take turns, and nobody is overtaken for ever."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from plexus.client.turns import Turns

LONG = 30.0


def until(condition: object) -> None:
    assert callable(condition)
    pause = threading.Event()
    while not condition():
        pause.wait(0.001)


@pytest.mark.parametrize("places", [1, 3])
def test_no_more_at_a_time_than_there_are_places(places: int) -> None:
    turns, inside, most = Turns(places), [0], [0]
    counting = threading.Lock()

    def work(_: int) -> None:
        for _ in range(50):
            assert turns.take(LONG)
            with counting:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            with counting:
                inside[0] -= 1
            turns.give_back()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    assert most[0] <= places
    assert [turns.take(0) for _ in range(places + 1)] == [True] * places + [False]


def test_places_that_come_free_together_are_all_taken() -> None:
    turns, all_in = Turns(3), threading.Barrier(3)
    assert all(turns.take(0) for _ in range(3))

    def work() -> None:
        assert turns.take(LONG)
        all_in.wait(LONG)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: turns.waiting == 3)
    for _ in range(3):
        turns.give_back()
    for thread in threads:
        thread.join()
    assert not all_in.broken


@pytest.mark.parametrize("waiters", [1, 5])
def test_who_has_waited_long_is_not_overtaken_and_they_come_in_order(waiters: int) -> None:
    now = [0.0]
    turns, order = Turns(clock=lambda: now[0]), list[int]()
    assert turns.take(LONG)

    def wait(number: int) -> None:
        assert turns.take(LONG)
        order.append(number)
        turns.give_back()

    threads = []
    for number in range(waiters):
        threads.append(threading.Thread(target=wait, args=(number,)))
        threads[-1].start()
        until(lambda: turns.waiting == len(threads))
    now[0] += 1
    turns.give_back()
    # The turn has been handed over: whoever asks now is too late.
    if turns.take(0):
        assert order == list(range(waiters))
        turns.give_back()
    for thread in threads:
        thread.join()
    assert order == list(range(waiters))


def test_who_gives_up_leaves_the_others_their_turn() -> None:
    turns = Turns()
    assert turns.take(0)
    assert turns.take(0.001) is False
    had = threading.Event()
    thread = threading.Thread(target=lambda: had.set() if turns.take(LONG) else None)
    thread.start()
    until(lambda: turns.waiting == 1)
    assert turns.take(0) is False
    turns.give_back()
    thread.join()
    assert had.is_set()
