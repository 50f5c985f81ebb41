"""What a call costs: Plexus with everything on, beside what people would use in its place.

    python -m bench.tax [--rounds 11] [--seconds 0.3] [--quick]

Unary calls of records.GetChart with answers of 200 B and 10 kB, from 1 and from 16 callers, closed loop.
The contenders take turns in every round (`side_by_side`); CPU is that of every process a call passes
through, both ends and sidecars, per answered call, with whatever is done for it afterwards. How each
is set up stands in its module under `bench/peers`. Where a peer cannot be installed the result says so.

Writes build/bench/tax.json: name -> {cpu_us, p50_us, p99_us, rps, ratio, …} for the smallest call, and
the same for every shape under `shapes`. `ratio` is CPU to bare grpcio's in the same round.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from bench.peers import certificates, charts, envoy, installed
from bench.peers.mesh import Mesh
from bench.side_by_side import Child, Meter, Run, Sample, summary, take_turns, timed, write

CALLERS: Final = (1, 16)
BASE: Final = "bare"
TITLES: Final[Mapping[str, str]] = {
    "bare": "bare grpcio",
    "bare_mtls": "bare grpcio, mutual TLS",
    "bare_otel": "bare grpcio, OpenTelemetry's instrumentation, all sampled",
    "envoy": "two Envoy sidecars, mutual TLS between them",
    "fastapi": "FastAPI and httpx, JSON, no TLS",
    "plexus_1": "Plexus, everything on, 1 % sampled",
    "plexus_100": "Plexus, everything on, all sampled",
}
_RPC: Final = "bench.peers.rpc"
_WARM: Final = 0.3


class Closing(Protocol):
    """What is ended when the bench is over."""

    def close(self) -> None:
        """End it."""


Closes = TypeVar("Closes", bound=Closing)


@dataclass(frozen=True, slots=True)
class Shape:
    """What is asked for, and by how many at once."""

    size: str
    callers: int

    @property
    def name(self) -> str:
        """Such as `200 B, 16 callers`."""
        return f"{self.size}, {self.callers} caller{'s' if self.callers > 1 else ''}"


SHAPES: Final = tuple(Shape(size, callers) for size in charts.SIZES for callers in CALLERS)


@dataclass(frozen=True, slots=True)
class Contender:
    """A client to be told what to call, and everything whose CPU counts."""

    client: Child
    meter: Meter
    further: Mapping[str, Any] = field(default_factory=dict)

    def run(self, shape: Shape, seconds: float) -> Sample:
        """Call for *seconds*."""
        asked: dict[str, Any] = {"size": shape.size, "callers": shape.callers, **self.further}
        return timed(self.meter, self.client, seconds=seconds, **asked)


class Field:
    """Everybody who takes part, started; *absent* says who could not be, and why."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._tls = certificates.make(folder / "tls")
        self.absent: dict[str, str] = {}
        self.contenders: dict[str, Contender] = {}
        self._grpcio()
        self._peer("envoy", self._envoy)
        self._peer("fastapi", self._fastapi)
        self._plexus()

    def _grpcio(self) -> None:
        secure, watched = ["--tls", str(self._tls)], ["--instrumented"]
        extras: Mapping[str, Sequence[str]] = {
            "bare": [],
            "bare_mtls": secure,
            "bare_otel": watched,
        }
        for name, extra in extras.items():
            server = self._child(f"{name}-server", ["-m", _RPC, "serve", *extra])
            self._add(name, server, f"127.0.0.1:{server.ready['port']}", extra)

    def _envoy(self) -> None:
        binary = installed.envoy()
        server = self._child("envoy-server", ["-m", _RPC, "serve"])
        inside = envoy.beside_server(server.ready["port"], self._tls)
        inner = self._keep(envoy.Sidecar(binary, self._folder, "inner", inside))
        outside = envoy.beside_caller([inner.port], self._tls)
        outer = self._keep(envoy.Sidecar(binary, self._folder, "outer", outside))
        self._add("envoy", server, f"127.0.0.1:{outer.port}", (), inner.pid, outer.pid)

    def _fastapi(self) -> None:
        python = installed.web()
        documents = self._folder / "charts.json"
        documents.write_text(json.dumps(charts.documents()), encoding="utf-8")
        web = ["-m", "bench.peers.web"]
        server = self._child("web-server", [*web, "serve", str(documents)], python)
        url = f"http://127.0.0.1:{server.ready['port']}"
        client = self._child("web-client", [*web, "call", url], python)
        self.contenders["fastapi"] = Contender(client, Meter(server.pid, client.pid))

    def _plexus(self) -> None:
        mesh = self._keep(Mesh(self._folder / "mesh"))
        server, client = mesh.serve(), mesh.call()
        meter = Meter(server.pid, client.pid)
        for name, sampling in (("plexus_1", 0.01), ("plexus_100", 1.0)):
            self.contenders[name] = Contender(client, meter, {"sampling": sampling})

    def _peer(self, name: str, start: Callable[[], None]) -> None:
        try:
            start()
        except (installed.AbsentError, ChildProcessError, OSError) as error:
            self.absent[name] = str(error)
            print(f"{TITLES[name]}: not measured: {error}", file=sys.stderr)

    def _add(self, name: str, server: Child, target: str, extra: Sequence[str], *pids: int) -> None:
        client = self._child(f"{name}-client", ["-m", _RPC, "call", *extra, target])
        self.contenders[name] = Contender(client, Meter(server.pid, client.pid, *pids))

    def _child(self, name: str, arguments: Sequence[str], python: str = sys.executable) -> Child:
        return self._keep(Child(name, arguments, python=python))

    def _keep(self, started: Closes) -> Closes:
        self._stack.callback(started.close)
        return started


def measure(shapes: Sequence[Shape], rounds: int, seconds: float) -> dict[str, Any]:
    """All contenders in all *shapes*; what is written."""
    shown: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        field = Field(folder, stack)
        for shape in shapes:
            runs = {name: _run(each, shape, seconds) for name, each in field.contenders.items()}
            for contender in field.contenders.values():
                contender.run(shape, _WARM)
            samples = take_turns(runs, rounds)
            told = summary(samples, BASE)
            for other in ("bare_mtls", "plexus_1"):
                for name, figures in summary(samples, other).items():
                    told[name][f"to_{other}"] = figures["ratio"]
            shown[shape.name] = told
            _show(shape, told)
    return _result(shown, field.absent)


def _run(contender: Contender, shape: Shape, seconds: float) -> Run:
    return lambda: contender.run(shape, seconds)


def _result(shown: Mapping[str, Mapping[str, Any]], absent: Mapping[str, str]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, title in TITLES.items():
        if name in absent:
            result[name] = {"title": title, "absent": absent[name]}
            continue
        shapes = {shape: told[name] for shape, told in shown.items()}
        result[name] = {"title": title, **next(iter(shapes.values())), "shapes": shapes}
    return result


def _show(shape: Shape, told: Mapping[str, Mapping[str, float]]) -> None:
    print(f"\n{shape.name}\n{'':58}  CPU µs  ratio          p50 µs  p99 µs  calls/s")
    for name, of in told.items():
        spread = f"{of['ratio_low']:.2f}-{of['ratio_high']:.2f}"
        failed = f"  {of['failures']:.0f} failed" if of["failures"] else ""
        print(
            f"{TITLES[name]:58} {of['cpu_us']:7.0f}  {of['ratio']:4.2f} {spread:9}"
            f"  {of['p50_us']:7.0f} {of['p99_us']:7.0f} {of['rps']:8.0f}{failed}",
            flush=True,
        )


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each turn")
    parser.add_argument("--quick", action="store_true", help="two shapes, two short rounds")
    told = parser.parse_args()
    if told.quick:
        result = measure((SHAPES[0], SHAPES[-1]), rounds=2, seconds=0.2)
    else:
        result = measure(SHAPES, told.rounds, told.seconds)
    write("tax", result)


if __name__ == "__main__":
    main()
