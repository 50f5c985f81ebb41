"""Makes calls and times them: one after the other, from several threads, or by the clock.

Nothing but the standard library, because peers run it in environments of their own.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

Call = Callable[[], object]
Around = Callable[[], AbstractContextManager[Any]]
"""What a thread is in while it calls, such as a piece of work of a service."""

_HANDS = 128
_REFUSALS_SHOWN = 3


def closed_loop(
    call: Call, callers: int, seconds: float, around: Around = nullcontext
) -> dict[str, float]:
    """Each caller calls again when it has its answer, for *seconds*.

    Returns `calls`, `failures`, `seconds`, and `p50_us` and `p99_us` of the calls that were answered.
    """
    taken: list[list[float]] = [[] for _ in range(callers)]
    failures = [0] * callers
    began = time.perf_counter()
    end = began + seconds

    def one_after_the_other(number: int) -> None:
        clock, note = time.perf_counter, taken[number].append
        with around():
            start = clock()
            while start < end:
                try:
                    call()
                except Exception as error:  # noqa: BLE001 - what went wrong is told, then counted
                    failures[number] += 1
                    if failures[number] <= _REFUSALS_SHOWN:
                        print(f"{type(error).__name__}: {error}"[:400], file=sys.stderr)
                    start = clock()
                    continue
                done = clock()
                note(done - start)
                start = done

    if callers == 1:
        one_after_the_other(0)
    else:
        threads = [threading.Thread(target=one_after_the_other, args=(n,)) for n in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lasted = time.perf_counter() - began
    every = sorted(one for each in taken for one in each)
    return {
        "calls": len(every),
        "failures": sum(failures),
        "seconds": lasted,
        "p50_us": quantile(every, 0.5) * 1e6,
        "p99_us": quantile(every, 0.99) * 1e6,
    }


def open_loop(
    call: Call, rate: float, seconds: float, around: Around = nullcontext
) -> list[tuple[float, float, str]]:
    """Calls sent at an even *rate* for *seconds*, whatever becomes of those before.

    Returns of each: when it was due on the monotonic clock, how long after that it ended, in seconds,
    and with what: `OK` or the failure's name.
    """
    ended: list[tuple[float, float, str]] = []

    def send(due: float) -> None:
        outcome = "OK"
        with around():
            try:
                call()
            except Exception as error:  # noqa: BLE001 - a failure is what is looked for
                outcome = name_of(error)
        ended.append((due, time.monotonic() - due, outcome))

    with ThreadPoolExecutor(_HANDS) as hands:
        start = time.monotonic()
        for number in range(round(rate * seconds)):
            due = start + number / rate
            if (pause := due - time.monotonic()) > 0:
                time.sleep(pause)
            hands.submit(send, due)
    return sorted(ended)


def name_of(error: Exception) -> str:
    """What a failure is called: its gRPC status if it has one, else its type."""
    code = getattr(error, "code", None)
    status = code() if callable(code) else getattr(error, "status", None)
    return str(getattr(status, "name", type(error).__name__))


def quantile(ordered: list[float], share: float) -> float:
    """The value below which *share* of the ordered ones are; 0 when there are none."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


def answering(
    call_of: Callable[[Mapping[str, Any]], Call], around: Around = nullcontext
) -> Callable[[Mapping[str, Any]], object]:
    """Answers commands by calling what *call_of* makes of them: `callers` or `rate`, and `seconds`."""

    def answer(command: Mapping[str, Any]) -> object:
        call, seconds = call_of(command), command["seconds"]
        if "rate" in command:
            return open_loop(call, command["rate"], seconds, around)
        return closed_loop(call, command["callers"], seconds, around)

    return answer


def obey(answer: Callable[[Mapping[str, Any]], object], ready: object = None) -> None:
    """Tell *ready*, then answer each line of standard input, JSON for JSON, until it ends.

    Answers go to the descriptor that `BENCH_ANSWERS` names: standard output is for whatever else the
    process has to say.
    """
    with os.fdopen(int(os.environ["BENCH_ANSWERS"]), "w") as answers:
        print(json.dumps(ready), file=answers, flush=True)
        for line in sys.stdin:
            print(json.dumps(answer(json.loads(line))), file=answers, flush=True)
