"""Where each microsecond of a call goes: every layer switched off in turn.

    python -m bench.waterfall [--rounds 32] [--seconds 0.06] [--callers 1] [--quick]

One replica and one caller hold every variant of their stacks (`bench.peers.layers`), so nothing differs
but the layer. What a layer costs is CPU per call with everything on, less CPU without it, the two
measured one right after the other, many times. Below the stacks stand bare grpcio, mutual TLS added to
it, and to that xDS and the threads that a replica waits in; then the *frame* of each stack, which is
what it costs without any layer in it. Layers share what they touch, so they need not add up to the
whole: what is left over is shown as the *rest*.

Writes build/bench/waterfall.json.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.peers import certificates
from bench.peers.layers import BARE, EVERYTHING, NO_LAYERS
from bench.peers.mesh import Mesh
from bench.side_by_side import (
    Child,
    Meter,
    Run,
    Sample,
    spread,
    summary,
    take_pairs,
    take_turns,
    timed,
    write,
)

SIZE: Final = "200 B"
_RPC: Final = "bench.peers.rpc"


@dataclass(frozen=True, slots=True)
class Step:
    """One bar: the CPU of *more*, less that of *less*, in microseconds of a call."""

    name: str
    where: str
    more: str
    less: str

    @property
    def key(self) -> str:
        """What tells it from the others."""
        return f"{self.where} {self.name}"


def steps(server: Sequence[str], client: Sequence[str]) -> list[Step]:
    """The bars, from the bottom up; the lowest, bare grpcio, stands on nothing."""
    return [
        Step("mutual TLS", "transport", "mtls", BARE),
        Step("xDS, pollers", "transport", "xds", "mtls"),
        Step("frame", "server", "server frame", "xds"),
        *(Step(layer, "server", EVERYTHING, f"server {layer}") for layer in server),
        Step("frame", "client", "client frame", "xds"),
        *(Step(layer, "client", EVERYTHING, f"client {layer}") for layer in client),
    ]


def measure(rounds: int, seconds: float, callers: int) -> dict[str, Any]:
    """All variants; what is written."""
    command = {"size": SIZE, "callers": callers, "seconds": seconds, "settle": False}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        runs = _grpcio(folder, stack, command)
        mesh = Mesh(folder / "mesh")
        stack.callback(mesh.close)
        server, client = mesh.serve(1, "--switchable"), mesh.call("--switchable")
        runs |= _meshed(server, client, command)
        bars = steps(server.ready["layers"], client.ready["layers"])
        pairs = {bar.key: (runs[bar.more], runs[bar.less]) for bar in bars}
        ends = {name: runs[name] for name in (BARE, EVERYTHING)}
        take_turns(runs, 1)
        more = take_pairs(pairs, rounds)
        return _result(bars, more, take_turns(ends, rounds), callers)


def _grpcio(folder: Path, stack: ExitStack, command: Mapping[str, Any]) -> dict[str, Run]:
    tls = ["--tls", str(certificates.make(folder / "tls"))]
    runs: dict[str, Run] = {}
    extras: Mapping[str, Sequence[str]] = {BARE: [], "mtls": tls}
    for name, extra in extras.items():
        server = Child(f"{name}-server", ["-m", _RPC, "serve", *extra])
        stack.callback(server.close)
        target = f"127.0.0.1:{server.ready['port']}"
        client = Child(f"{name}-client", ["-m", _RPC, "call", *extra, target])
        stack.callback(client.close)
        runs[name] = partial(timed, Meter(server.pid, client.pid), client, **command)
    return runs


def _meshed(server: Child, client: Child, command: Mapping[str, Any]) -> dict[str, Run]:
    meter = Meter(server.pid, client.pid)

    def variant(at_server: str, at_client: str) -> Run:
        def run() -> Sample:
            server.ask(variant=at_server)
            return timed(meter, client, variant=at_client, **command)

        return run

    return {
        EVERYTHING: variant(EVERYTHING, EVERYTHING),
        "xds": variant(BARE, BARE),
        "server frame": variant(NO_LAYERS, BARE),
        "client frame": variant(BARE, NO_LAYERS),
        **{f"server {layer}": variant(layer, EVERYTHING) for layer in server.ready["layers"]},
        **{f"client {layer}": variant(EVERYTHING, layer) for layer in client.ready["layers"]},
    }


def _result(
    bars: Sequence[Step],
    more: Mapping[str, Sequence[float]],
    ends: Mapping[str, Sequence[Sample]],
    callers: int,
) -> dict[str, Any]:
    bare = spread("us", [sample.cpu_us for sample in ends[BARE]])
    told = summary(ends, BARE)[EVERYTHING]
    shown = [
        {"name": "grpcio", "where": "transport", **bare},
        *({"name": bar.name, "where": bar.where, **spread("us", more[bar.key])} for bar in bars),
    ]
    rest = told["cpu_us"] - sum(float(str(bar["us"])) for bar in shown)
    return {
        "shape": f"{SIZE}, {callers} caller{'s' if callers > 1 else ''}",
        "rounds": len(ends[BARE]),
        "steps": [*shown, {"name": "rest", "where": "together", "us": rest}],
        "everything_us": told["cpu_us"],
        "ratio": told["ratio"],
        "failures": told["failures"],
    }


def show(result: Mapping[str, Any]) -> None:
    """Print it."""
    print(f"\n{result['shape']}: {result['ratio']:.2f} times bare grpcio; µs of CPU a call")
    for step in result["steps"]:
        low, high = step.get("us_low"), step.get("us_high")
        between = f"  {low:6.0f} to {high:4.0f}" if low is not None else ""
        print(f"{step['where']:10} {step['name']:14} {step['us']:7.0f}{between}")
    print(f"{'':10} {'everything':14} {result['everything_us']:7.0f}", flush=True)
    if result["failures"]:
        print(f"{'':10} {result['failures']:.0f} calls failed")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=0.06, help="of each turn")
    parser.add_argument("--callers", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="one short round")
    told = parser.parse_args()
    rounds, seconds = (1, 0.05) if told.quick else (told.rounds, told.seconds)
    result = measure(rounds, seconds, told.callers)
    show(result)
    write("waterfall", result)


if __name__ == "__main__":
    main()
