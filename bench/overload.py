"""Open-loop overload of one server process: `python -m bench.overload`.

The server runs the whole stack with its admission, over TCP; its handlers share four hands of 20 ms,
which is what bounds it: three times as much is then 600 calls a second, which two cores can still send
and refuse when they are slow, so that it is the door that is measured. The callers do not wait for
answers: calls are sent by a Poisson clock, half of them sheddable, two fifths routine, a tenth vital.
First what is normal (half of the capacity), then the peak (the best of a climb around capacity), then
three times the capacity, three times over: of the three p99 the middle one counts, since a seventh of a
second in which the machine did something else decides one. With `--sqlite` the bound is a SQLite file
instead: each call commits a row, durably.

Goodput counts answers with OK within the call's deadline. The figures of a run leave its first second
out (told apart as *onset*), in which the limit is found.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any, Final, cast

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from mesh import meaning
from mesh.persistence import Database
from mesh.server import Admission, Parts, handlers
from mesh.server.pollers import Pollers
from observability import logs
from observability.metrics import CallMetrics
from plexus.billing.v1 import billing_service_pb2 as billing
from plexus.contract import load
from plexus.records.v1 import records_service_pb2 as records

RECORDS: ServiceDescriptor = records.DESCRIPTOR.services_by_name["RecordsService"]
BILLING: ServiceDescriptor = billing.DESCRIPTOR.services_by_name["BillingService"]
PATHS: Final = {
    "vital": f"/{RECORDS.full_name}/GetPatient",
    "routine": f"/{RECORDS.full_name}/SearchPatients",
    "sheddable": f"/{BILLING.full_name}/ListLedgerEntries",
}
REQUESTS: Final = {
    "vital": records.GetPatientRequest(patient_id="pat_00000000").SerializeToString(),
    "routine": records.SearchPatientsRequest(name="doe").SerializeToString(),
    "sheddable": billing.ListLedgerEntriesRequest().SerializeToString(),
}
MIX: Final = ("vital", *["routine"] * 4, *["sheddable"] * 5)
HANDS: Final = 4
SECONDS: Final = 0.02
ONSET: Final = 1.0
TIMES: Final = 3


class Anybody:
    """A token that may do everything."""

    subject = "bench"
    scopes = load().scopes


class Hands:
    """Four hands, 20 ms a call, first come first served (a semaphore would let the last overtake)."""

    def __init__(self) -> None:
        self._hands = ThreadPoolExecutor(HANDS)

    def work(self) -> None:
        """Take one, for a while."""
        self._hands.submit(time.sleep, SECONDS).result()


class Rows:
    """A durable row for each call, all in one SQLite file, as services write."""

    def __init__(self, folder: str) -> None:
        self._database = Database(f"sqlite:///{folder}/rows.db")
        with self._database.write() as tx:
            tx.execute(text("CREATE TABLE row (id INTEGER PRIMARY KEY, what BLOB)"))

    def work(self) -> None:
        """Commit one."""
        with self._database.write() as tx:
            tx.execute(text("INSERT INTO row (what) VALUES (randomblob(4096))"))


class Servicer:
    """Answers every method, when the work is done."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work

    def __getattr__(self, name: str) -> Any:
        response = {**vars(records), **vars(billing)}[f"{name}Response"]

        def answer(_: Any, __: Any) -> Any:
            self._work()
            return response()

        return answer


def at_ease() -> None:
    """Look for garbage no more in what there is now, as a replica does, and whoever times one should."""
    gc.collect()
    gc.freeze()


def watch(admission: Admission, limits: list[int]) -> None:
    """Note the limit, fifty times a second."""
    while True:
        time.sleep(0.02)
        limits.append(admission.limit)


def serve(bound: str) -> None:
    """Serve until standard input ends; print the port, and at the end the door's counts."""
    # Calls are told of in the log, as they are in a service; what is printed are the counts.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - for as long as the process lives
    logs.configure("bench")
    contract, admission = load(), Admission()
    parts = Parts(
        contract=contract,
        metrics=CallMetrics(CollectorRegistry()),
        identify=lambda _: "edge",
        verify=lambda _: Anybody(),
        admission=None if bound == "open" else admission,
    )
    with tempfile.TemporaryDirectory() as folder:
        servicer = Servicer((Rows(folder) if bound == "sqlite" else Hands()).work)
        threads = 32 if bound == "open" else meaning.HANDLER_THREADS
        hands = Pollers(threads)
        server = grpc.server(
            cast("ThreadPoolExecutor", hands),
            maximum_concurrent_rpcs=None if bound == "open" else threads,
        )
        print(server.add_insecure_port("127.0.0.1:0"), file=out, flush=True)
        hands.serve(
            server,
            {each.full_name: handlers(each, servicer, parts) for each in (RECORDS, BILLING)},
        )
        at_ease()
        limits: list[int] = []
        threading.Thread(target=watch, args=(admission, limits), daemon=True).start()
        for _ in sys.stdin:
            seen = sorted(limits)
            limits.clear()
            counts = {
                "limit": {share: seen[len(seen) * share // 100] for share in (10, 50, 90)},
                "admitted": admission.admitted[1:],
                "queued": admission.queued[1:],
                "shed": admission.shed[1:],
            }
            print(json.dumps(counts), file=out, flush=True)
        server.stop(0).wait()


@dataclass
class Outcome:
    """What became of the calls of one run. Latencies are those of answered vital calls, in seconds."""

    seconds: float
    sent: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    vital: list[float] = field(default_factory=list)
    onset: list[float] = field(default_factory=list)
    lag: float = 0.0

    @property
    def goodput(self) -> float:
        """Answers a second."""
        return self.answered.total() / self.seconds

    def vital_at(self, share: float) -> float:
        """A quantile of vital latency, in milliseconds."""
        if not self.vital:
            return float("inf")
        return sorted(self.vital)[int(len(self.vital) * share)] * 1000

    @property
    def vital_success(self) -> float:
        """The share of vital calls that were answered."""
        return self.answered["vital"] / self.sent["vital"]


async def send(port: int, rate: float, seconds: float, seed: int = 1) -> Outcome:
    """Send calls at *rate* for *seconds* and the onset before."""
    contract, chance = load(), random.Random(seed)
    deadlines = {kind: contract.method(path[1:]).deadline for kind, path in PATHS.items()}
    outcome = Outcome(seconds)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stubs: dict[str, Any] = {kind: channel.unary_unary(path) for kind, path in PATHS.items()}

        async def call(kind: str, counts: bool) -> None:
            began = time.perf_counter()
            try:
                await stubs[kind](
                    REQUESTS[kind],
                    timeout=deadlines[kind],
                    metadata=(("authorization", "Bearer bench"),),
                )
                code = "OK"
            except grpc.aio.AioRpcError as error:
                code = error.code().name
            took = time.perf_counter() - began
            if not counts:
                outcome.onset += [took] if kind == "vital" and code == "OK" else []
                return
            outcome.sent[kind] += 1
            outcome.codes[f"{kind} {code}"] += 1
            if code == "OK":
                outcome.answered[kind] += 1
                outcome.vital += [took] if kind == "vital" else []

        calls: set[asyncio.Task[None]] = set()
        start = due = time.perf_counter()
        while (due := due + chance.expovariate(rate)) < start + ONSET + seconds:
            if (pause := due - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            outcome.lag = max(outcome.lag, -pause)
            task = asyncio.create_task(call(chance.choice(MIX), due >= start + ONSET))
            calls.add(task)
            task.add_done_callback(calls.discard)
        await asyncio.gather(*calls)
    return outcome


async def probe(port: int, seconds: float = 4.0, callers: int = 8) -> float:
    """Answers a second when a few callers each wait for theirs: what the server can do."""
    answered = 0
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = channel.unary_unary(PATHS["vital"])
        end = time.perf_counter() + seconds

        async def one_after_the_other() -> None:
            nonlocal answered
            while time.perf_counter() < end:
                with suppress(grpc.aio.AioRpcError):
                    await stub(
                        REQUESTS["vital"],
                        timeout=1,
                        metadata=(("authorization", "Bearer bench"),),
                    )
                    answered += 1

        await asyncio.gather(*(one_after_the_other() for _ in range(callers)))
    return answered / seconds


def told(name: str, rate: float, run: Outcome) -> None:
    """Print a run."""
    print(
        f"{name:>8}: offered {rate:6.0f}/s, goodput {run.goodput:6.1f}/s, vital success"
        f" {run.vital_success:7.2%} of {run.sent['vital']}, vital p50 {run.vital_at(0.5):5.1f} ms"
        f" p99 {run.vital_at(0.99):6.1f} ms (onset, worst"
        f" {max(run.onset, default=0) * 1000:5.1f}), sender's worst lag {run.lag * 1000:.0f} ms"
    )
    print(f"          {dict(sorted(run.codes.items()))}", flush=True)


def measure(bound: str, seconds: float) -> dict[str, float]:
    """All runs against one server process; the figures that are promised."""
    server = subprocess.Popen(
        [sys.executable, "-m", "bench.overload", "--serve", bound],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin
    assert server.stdout
    port = int(server.stdout.readline())

    def run(name: str, rate: float, long: float = seconds, seed: int = 1) -> Outcome:
        at_ease()
        outcome = asyncio.run(send(port, rate, long, seed))
        told(name, rate, outcome)
        print("\n", file=server.stdin, end="", flush=True)
        assert server.stdout
        print(f"          {server.stdout.readline().strip()}", flush=True)
        return outcome

    run("warm", 50, 3)
    capacity = HANDS / SECONDS if bound != "sqlite" else asyncio.run(probe(port))
    normal = run("normal", capacity / 2)
    climb = [run("climb", capacity * share, 5) for share in (0.9, 1.1, 1.3)]
    peak = max(step.goodput for step in climb)
    over = [run("3x", capacity * 3, seconds / TIMES, seed) for seed in range(1, TIMES + 1)]
    server.stdin.close()
    server.wait(10)
    goodput = mean(each.goodput for each in over)
    usual, late = normal.vital_at(0.99), median(each.vital_at(0.99) for each in over)
    return {
        "peak": peak,
        "goodput": goodput,
        "goodput_share": goodput / peak,
        "vital_success": sum(each.answered["vital"] for each in over)
        / sum(each.sent["vital"] for each in over),
        "vital_p99_ms": late,
        "vital_p99_normal_ms": usual,
        "vital_p99_ratio": late / usual,
    }


def main() -> None:
    """Run it; write build/bench/overload.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--serve", metavar="BOUND", help="be the server")
    parser.add_argument("--sqlite", action="store_true", help="bound by a SQLite file")
    parser.add_argument("--open", action="store_true", help="without admission, to compare")
    parser.add_argument("--seconds", type=float, default=15.0)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
        return
    bound = "sqlite" if given.sqlite else "open" if given.open else "hands"
    figures = measure(bound, given.seconds)
    folder = Path("build/bench")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"overload-{bound}.json").write_text(json.dumps(figures, indent=2) + "\n")
    for name, value in figures.items():
        print(f"{name:>20} {value:.4g}")


if __name__ == "__main__":
    main()
