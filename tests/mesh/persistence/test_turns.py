"""Writers of one file take turns, and nobody is overtaken for ever."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mesh.persistence.turns import Turns

LONG = 30.0


def waiting(turns: Turns, count: int) -> bool:
    """Whether *count* threads wait now."""
    return len(turns._waiting) == count


def until(condition: object) -> None:
    assert callable(condition)
    pause = threading.Event()
    while not condition():
        pause.wait(0.001)


def test_one_at_a_time() -> None:
    turns, inside, most = Turns(), [0], [0]

    def work(_: int) -> None:
        for _ in range(50):
            assert turns.take(LONG)
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            inside[0] -= 1
            turns.give_back()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    assert most == [1]
    assert turns.take(0)


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
        until(lambda: waiting(turns, len(threads)))
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
    until(lambda: waiting(turns, 1))
    assert turns.take(0) is False
    turns.give_back()
    thread.join()
    assert had.is_set()
