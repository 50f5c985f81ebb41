"""Measures several ways of doing the same thing in one run, so that they can be compared.

On a machine that others use, a figure says little and a ratio of two figures taken at the same time
says a lot. So contenders take turns: every round runs each of them for a moment, in an order that
rotates, and a ratio is formed within a round. What is told is the median of the rounds and their
quartiles.

    child = Child("bare", ["-m", "bench.peers.bare", "call", target])
    meter = Meter(server.pid, child.pid)
    samples = take_turns({"bare": lambda: timed(meter, child, callers=1)}, rounds=7)
    summary(samples, base="bare")["bare"]["ratio"]        # 1.0, of course
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "build" / "bench"

# What a process still does for its calls after the answers, such as exporting a batch of spans, is
# waited for, until it idles: until it uses less than this share of a core for this long.
_IDLE = 0.04
_LOOK = 0.1
_LONGEST = 2.0
_END = 5.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment of one contender: CPU per call of every process involved, and how calls went."""

    cpu_us: float
    p50_us: float
    p99_us: float
    rps: float
    calls: int
    failures: int


Run = Callable[[], Sample]


class Meter:
    """The CPU that processes have used so far, user and system together."""

    def __init__(self, *pids: int) -> None:
        self._pids = pids

    def read(self) -> float:
        """Seconds, of all of them."""
        return sum(map(cpu_seconds, self._pids))


def cpu_seconds(pid: int) -> float:
    """The CPU a process has used, its ended threads included, in seconds.

    By the process's own CPU clock, to the nanosecond: clock_getcpuclockid(3) on Linux makes the id of
    that clock so. Elsewhere by `ps`, in its hundredths.
    """
    if sys.platform == "linux":
        return time.clock_gettime((~pid << 3) | 2)
    told = subprocess.run(
        ["ps", "-o", "time=", "-p", str(pid)], capture_output=True, text=True, check=True
    )
    seconds = 0.0
    for part in told.stdout.strip().replace("-", ":").split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def resident_megabytes(pid: int) -> float:
    """The memory of a process that is resident now."""
    told = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True
    )
    return int(told.stdout) / 1024


class Child:
    """A process that obeys `load.obey`: a line of JSON in, a line of JSON out.

    *ready* is the first thing it says. What it prints is kept in build/bench/logs. `close` ends it,
    whatever it does.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environ: Mapping[str, str] | None = None,
        python: str = sys.executable,
    ) -> None:
        self._name = name
        self._log = RESULTS / "logs" / f"{name}.log"
        self._log.parent.mkdir(parents=True, exist_ok=True)
        answers, theirs = os.pipe()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [python, *arguments],
                env={**environment(), **(environ or {}), "BENCH_ANSWERS": str(theirs)},
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                text=True,
                pass_fds=(theirs,),
            )
        os.close(theirs)
        self._answers = os.fdopen(answers)
        self.ready = self.hear()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def ask(self, **command: object) -> Any:
        """Its answer to *command*; ChildProcessError when it has ended."""
        self.tell(**command)
        return self.hear()

    def tell(self, **command: object) -> None:
        """Give a command; `hear` gets the answer."""
        stdin = cast("IO[str]", self._process.stdin)
        stdin.write(json.dumps(command) + "\n")
        stdin.flush()

    def hear(self) -> Any:
        """What it says next; ChildProcessError when it has ended."""
        line = self._answers.readline()
        if not line:
            code = self._process.wait()
            said = self._log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise ChildProcessError(f"{self._name} ended with {code}:\n{said}")
        return json.loads(line)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def close(self) -> None:
        """End it: by closing its input, else by force."""
        with suppress(BrokenPipeError):
            cast("IO[str]", self._process.stdin).close()
        try:
            self._process.wait(_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()


def environment() -> dict[str, str]:
    """What a process needs to find the packages of this tree."""
    path = os.pathsep.join((str(ROOT), str(ROOT / "clients/python")))
    return {**os.environ, "PYTHONPATH": path}


def timed(meter: Meter, child: Child, *, settle: bool = True, **command: object) -> Sample:
    """What *child* measured when told *command*, and what all that *meter* reads used for it.

    With *settle* that includes what is done for the calls after their answers.
    """
    before = meter.read()
    told = child.ask(**command)
    used = (_settled(meter) if settle else meter.read()) - before
    calls = max(told["calls"], 1)
    return Sample(
        cpu_us=used / calls * 1e6,
        p50_us=told["p50_us"],
        p99_us=told["p99_us"],
        rps=told["calls"] / told["seconds"],
        calls=told["calls"],
        failures=told["failures"],
    )


def _settled(meter: Meter) -> float:
    """What *meter* reads when nothing more is done for the calls that were."""
    used, end = meter.read(), time.monotonic() + _LONGEST
    while time.monotonic() < end:
        time.sleep(_LOOK)
        before, used = used, meter.read()
        if used - before < _IDLE * _LOOK:
            break
    return used


def take_turns(contenders: Mapping[str, Run], rounds: int) -> dict[str, list[Sample]]:
    """Every contender once in each of *rounds*, each round beginning with another."""
    names = list(contenders)
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            samples[name].append(contenders[name]())
    return samples


def take_pairs(pairs: Mapping[str, tuple[Run, Run]], rounds: int) -> dict[str, list[float]]:
    """How much more CPU a call of the first of each pair takes than one of the second, in each round.

    The two are run one right after the other, so that what drifts is the same for both.
    """
    more: dict[str, list[float]] = {name: [] for name in pairs}
    for turn in range(rounds):
        for name, (one, other) in pairs.items():
            if turn % 2:
                without = other().cpu_us
                more[name].append(one().cpu_us - without)
            else:
                more[name].append(one().cpu_us - other().cpu_us)
    return more


def summary(samples: Mapping[str, Sequence[Sample]], base: str) -> dict[str, dict[str, float]]:
    """Medians of every contender, and its CPU as a ratio to *base*'s in the same round.

    `cpu_us`, `ratio` and `extra_us` (the difference to *base*) come with their quartiles: `…_low` and
    `…_high`.
    """
    told: dict[str, dict[str, float]] = {}
    for name, taken in samples.items():
        pairs = list(zip(taken, samples[base], strict=True))
        told[name] = {
            **spread("cpu_us", [sample.cpu_us for sample in taken]),
            **spread("ratio", [one.cpu_us / other.cpu_us for one, other in pairs]),
            **spread("extra_us", [one.cpu_us - other.cpu_us for one, other in pairs]),
            "p50_us": statistics.median(sample.p50_us for sample in taken),
            "p99_us": statistics.median(sample.p99_us for sample in taken),
            "rps": statistics.median(sample.rps for sample in taken),
            "calls": sum(sample.calls for sample in taken),
            "failures": sum(sample.failures for sample in taken),
        }
    return told


def spread(name: str, values: Sequence[float]) -> dict[str, float]:
    """The median of *values* as *name*, and their quartiles as `name_low` and `name_high`."""
    several = values if len(values) > 1 else [*values, *values]
    low, middle, high = statistics.quantiles(several, n=4, method="inclusive")
    return {name: middle, f"{name}_low": low, f"{name}_high": high}


def write(name: str, result: object) -> Path:
    """Keep *result* as build/bench/*name*.json; where."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return path
