"""What callers notice when one of two replicas is killed, and when it hangs.

    python -m bench.failover [--rounds 2] [--quick]

An even load of 100 calls a second, sent by the clock, none waiting for another, on channels that have
made a few thousand calls before: what they learn and save up in minutes. After a second one of the two
servers gets SIGKILL, or SIGSTOP: it keeps its connections and answers nothing. A call is affected
when it fails, or takes longer than 100 ms, a hundred times its usual time. What is told: how many were
affected, and how long after the signal the last of them was sent. Every peer has a deadline of one
second, two servers it knows from the start, and processes of its own for every run.

Writes build/bench/failover.json.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bench.peers import certificates, envoy, installed
from bench.peers.mesh import Mesh
from bench.side_by_side import Child, write

RATE: Final = 100
SLOW: Final = 0.1
WARM: Final = 1.5
BEFORE: Final = 1.0
AFTER: Final = 3.0
SIGNALS: Final = (signal.SIGKILL, signal.SIGSTOP)
# The end of the load, in seconds: who has a tenth of it affected has not got over it.
_END: Final = 0.5
_RPC: Final = "bench.peers.rpc"


@dataclass(frozen=True, slots=True)
class Pair:
    """A client, and the one of its two servers that something happens to."""

    client: Child
    victim: Child


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the load of one run saw. *last* is in seconds after the signal, 0 when nothing was affected.

    *lasting*: calls were still affected when the load ended. *beforehand* counts those that were slow
    before the signal, which is what the machine does to them. *failures* are by name.
    """

    calls: int
    affected: int
    failed: int
    last: float
    worst_ms: float
    lasting: bool
    beforehand: int
    failures: Mapping[str, int]


Start = Callable[[Path, ExitStack], Pair]


def round_robin(*extra: str) -> Start:
    """grpcio, with two addresses and gRPC's round robin."""

    def start(folder: Path, stack: ExitStack) -> Pair:
        del folder
        servers = [_rpc(stack, f"failover-server-{number}", "serve") for number in (1, 2)]
        target = "ipv4:" + ",".join(f"127.0.0.1:{server.ready['port']}" for server in servers)
        client = _rpc(stack, "failover-client", "call", "--round-robin", *extra, target)
        return Pair(client, servers[1])

    return start


def sidecars(folder: Path, stack: ExitStack) -> Pair:
    """An Envoy beside the caller and one beside each server; the server dies, its sidecar does not."""
    binary, tls = installed.envoy(), certificates.make(folder / "tls")
    servers = [_rpc(stack, f"failover-server-{number}", "serve") for number in (1, 2)]
    ports = []
    for server in servers:
        config = envoy.beside_server(server.ready["port"], tls)
        beside = envoy.Sidecar(binary, folder, f"inner-{server.pid}", config)
        stack.callback(beside.close)
        ports.append(beside.port)
    config = envoy.beside_caller(ports, tls, failover=True)
    outer = envoy.Sidecar(binary, folder, "outer", config)
    stack.callback(outer.close)
    client = _rpc(stack, "failover-client", "call", f"127.0.0.1:{outer.port}")
    return Pair(client, servers[1])


def plexus(folder: Path, stack: ExitStack) -> Pair:
    """Two replicas in the mesh, and a service that calls them."""
    mesh = Mesh(folder / "mesh")
    stack.callback(mesh.close)
    mesh.serve(1)
    victim = mesh.serve(2)
    return Pair(mesh.call(), victim)


PEERS: Final[Mapping[str, tuple[str, Start]]] = {
    "bare": ("bare grpcio, round robin", round_robin()),
    "bare_retry": ("bare grpcio, round robin, retries", round_robin("--retry")),
    "envoy": ("Envoy sidecars, retries and outlier detection", sidecars),
    "plexus": ("Plexus", plexus),
}


def _rpc(stack: ExitStack, name: str, *arguments: str) -> Child:
    child = Child(name, ["-m", _RPC, *arguments])
    stack.callback(child.close)
    return child


def strike(start: Start, number: signal.Signals, after: float = AFTER) -> Outcome:
    """One run: start, load, signal, watch."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pair = start(folder, stack)
        pair.client.ask(size="200 B", callers=2, seconds=WARM)
        pair.client.tell(size="200 B", rate=RATE, seconds=BEFORE + after)
        time.sleep(BEFORE)
        struck = time.monotonic()
        pair.victim.send(number)
        ended = pair.client.hear()
        # So that it can end.
        pair.victim.send(signal.SIGCONT)
        return judge(ended, struck)


def judge(ended: Sequence[tuple[float, float, str]], struck: float) -> Outcome:
    """What calls, each as (when it was due, how long it took, its outcome), show of a signal at *struck*.

    A call that was under way when the signal came counts as one after it.
    """
    late = [one for one in ended if one[0] + one[1] >= struck]
    affected = [one for one in late if is_affected(one)]
    failures = Counter(outcome for _, _, outcome in late if outcome != "OK")
    window = max(due for due, _, _ in ended) - struck
    last = max((due - struck for due, _, _ in affected), default=0.0)
    return Outcome(
        calls=len(late),
        affected=len(affected),
        failed=sum(failures.values()),
        last=max(last, 0.0),
        worst_ms=max((took * 1000 for _, took, _ in affected), default=0.0),
        lasting=_still(affected, struck + window) > RATE * _END * 0.1,
        beforehand=sum(map(is_affected, (one for one in ended if one not in late))),
        failures=dict(failures),
    )


def _still(affected: Sequence[tuple[float, float, str]], end: float) -> int:
    return sum(due > end - _END for due, _, _ in affected)


def is_affected(call: tuple[float, float, str]) -> bool:
    """Whether it failed or was slow."""
    _, took, outcome = call
    return outcome != "OK" or took > SLOW


def measure(
    peers: Sequence[str], signals: Sequence[signal.Signals], rounds: int, after: float
) -> Any:
    """Every peer and signal, *rounds* times; what is written."""
    runs: dict[str, dict[str, list[Outcome]]] = {
        name: {number.name: [] for number in signals} for name in peers
    }
    absent: dict[str, str] = {}
    for _ in range(rounds):
        for name in peers:
            for number in signals if name not in absent else ():
                try:
                    runs[name][number.name].append(strike(PEERS[name][1], number, after))
                except (installed.AbsentError, ChildProcessError, OSError) as error:
                    absent[name] = str(error)
                    print(f"{PEERS[name][0]}: not measured: {error}", file=sys.stderr)
                    break
    return {
        "rate": RATE,
        "watched_seconds": after,
        **{
            name: {"title": PEERS[name][0], "absent": absent[name]}
            if name in absent
            else {
                "title": PEERS[name][0],
                **{number: _told(taken) for number, taken in runs[name].items()},
            }
            for name in peers
        },
    }


def _told(taken: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "affected": statistics.median(one.affected for one in taken),
        "failed": statistics.median(one.failed for one in taken),
        "last_seconds": statistics.median(one.last for one in taken),
        "worst_ms": max(one.worst_ms for one in taken),
        "lasting": any(one.lasting for one in taken),
        "runs": [asdict(one) for one in taken],
    }


def show(result: Mapping[str, Any]) -> None:
    """Print it."""
    for name, (title, _) in PEERS.items():
        for number, of in result.get(name, {}).items():
            if not isinstance(of, dict):
                continue
            last = "to the end" if of["lasting"] else f"{of['last_seconds']:.2f} s"
            print(
                f"{title:48} {number:8} {of['affected']:5.0f} affected, {of['failed']:4.0f} failed,"
                f" the last {last}, the slowest {of['worst_ms']:.0f} ms",
                flush=True,
            )


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="two peers, one short run of each")
    told = parser.parse_args()
    if told.quick:
        result = measure(("bare_retry", "plexus"), (signal.SIGKILL,), 1, 1.0)
    else:
        result = measure(tuple(PEERS), SIGNALS, told.rounds, AFTER)
    show(result)
    write("failover", result)


if __name__ == "__main__":
    main()
