"""What traces cost, beside what OpenTelemetry's instrumentation alone costs, in one run.

    python -m bench.tracing [--rounds 26] [--seconds 0.2] [--quick]

Unary calls of records.GetChart with an answer of 200 B, from one caller, closed loop, over plaintext and
without a mesh, so that nothing else is in the figures. The contenders take turns in every round
(`side_by_side`), and the two whose difference is small besides in turns of 50 calls. CPU is that of both
ends together, per answered call, with the encoding of spans and without what a receiver does with
them. How each is set up stands in `bench/peers/traced.py`.

Writes build/bench/tracing.json: each contender's figures; `unsampled_ratio`, an unsampled call to one
without traces, at most 1.10; `added_sampled_us`, what recording a call adds to ours, and
`added_instrumentation_us`, what it adds to bare grpcio, of which ours is to be no more.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Final

from bench.peers.traced import KINDS
from bench.side_by_side import Child, Meter, Run, Sample, spread, summary, take_turns, timed, write

TITLES: Final = {
    "bare": "bare grpcio",
    "instrumented": "bare grpcio, OpenTelemetry's instrumentation, all sampled",
    "untraced": "Plexus without traces",
    "unsampled": "Plexus, none sampled",
    "sampled": "Plexus, all sampled",
}
UNSAMPLED_AT_MOST: Final = 1.10
_MODULE: Final = "bench.peers.traced"
_TURNS: Final = 8
_CALLS: Final = 50
_SIZE: Final = "200 B"


def measure(rounds: int, seconds: float) -> dict[str, Any]:
    """All contenders; what is written."""
    with ExitStack() as stack:
        runs, alternate = _contenders(stack, seconds)
        # The first sampled call loads the instrumentation, the first of any kind its connection.
        for run in [*runs.values(), *runs.values()]:
            run()
        samples = take_turns(runs, rounds)
        turns = alternate(rounds * _TURNS)
    return _result(samples, turns)


Alternate = Callable[[int], dict[str, list[float]]]


def _contenders(stack: ExitStack, seconds: float) -> tuple[dict[str, Run], Alternate]:
    runs: dict[str, Run] = {}
    for kind in KINDS:
        server = _child(stack, f"traced-{kind}-server", ["serve", kind])
        ports = [str(port) for port in server.ready["ports"]]
        client = _child(stack, f"traced-{kind}-client", ["call", kind, *ports])
        meter = Meter(server.pid, client.pid)
        for how in ("untraced", "unsampled", "sampled") if kind == "plexus" else (kind,):
            runs[how] = _run(meter, client, how, seconds)

    def alternate(turns: int) -> dict[str, list[float]]:
        told: dict[str, list[float]] = client.ask(
            alternate=["untraced", "unsampled"],
            turns=turns,
            calls=_CALLS,
            server=server.pid,
            size=_SIZE,
        )
        return told

    return runs, alternate


def _run(meter: Meter, client: Child, how: str, seconds: float) -> Run:
    asked: dict[str, Any] = {"size": _SIZE, "callers": 1, "seconds": seconds, "how": how}
    return lambda: timed(meter, client, **asked)


def _child(stack: ExitStack, name: str, arguments: Sequence[str]) -> Child:
    child = Child(name, ["-m", _MODULE, *arguments])
    stack.callback(child.close)
    return child


def _result(samples: dict[str, list[Sample]], turns: dict[str, list[float]]) -> dict[str, Any]:
    told = summary(samples, "bare")
    pairs = zip(turns["unsampled"], turns["untraced"], strict=True)
    result: dict[str, Any] = {
        name: {"title": title, **told[name]} for name, title in TITLES.items()
    }
    result.update(spread("unsampled_ratio", [one / other for one, other in pairs]))
    added = _differences(samples, "sampled", "untraced")
    instrumentation = _differences(samples, "instrumented", "bare")
    result.update(spread("added_sampled_us", added))
    result.update(spread("added_instrumentation_us", instrumentation))
    less = [one - other for one, other in zip(added, instrumentation, strict=True)]
    result.update(spread("sampled_over_instrumentation_us", less))
    result["held"] = {
        "unsampled": result["unsampled_ratio"] <= UNSAMPLED_AT_MOST,
        "sampled": result["added_sampled_us"] <= result["added_instrumentation_us"],
    }
    return result


def _differences(samples: dict[str, list[Sample]], one: str, other: str) -> list[float]:
    pairs = zip(samples[one], samples[other], strict=True)
    return [first.cpu_us - second.cpu_us for first, second in pairs]


def _show(result: dict[str, Any]) -> None:
    for name in TITLES:
        row = result[name]
        print(
            f"{row['title']:<60} {row['cpu_us']:7.1f} us CPU a call  "
            f"({row['cpu_us_low']:.1f} to {row['cpu_us_high']:.1f}), {row['failures']} failures"
        )
    print(
        f"unsampled to untraced: {result['unsampled_ratio']:.3f} "
        f"({result['unsampled_ratio_low']:.3f} to {result['unsampled_ratio_high']:.3f}), "
        f"at most {UNSAMPLED_AT_MOST:.2f}"
    )
    print(
        f"recording a call adds {result['added_sampled_us']:.1f} us; "
        f"the instrumentation alone adds {result['added_instrumentation_us']:.1f} us"
    )


def main() -> None:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=26)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--quick", action="store_true", help="few rounds, for a look")
    told = parser.parse_args()
    result = measure(3 if told.quick else told.rounds, told.seconds)
    _show(result)
    print(write("tracing", result))


if __name__ == "__main__":
    main()
