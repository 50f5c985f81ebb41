"""Writes docs/reference/performance.md and its plot from the results in bench/results.

python -m bench.page          writes them
python -m bench.page take [NOTE]
                              keeps what the last `make bench` measured as the results first; NOTE is what
                              a reader should know of that run
python -m bench.page drift    fails when the committed page is not what would be written
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench import plot
from bench.side_by_side import RESULTS, ROOT

KEPT: Final = ROOT / "bench" / "results"
PAGE: Final = ROOT / "docs" / "reference" / "performance.md"
PLOT: Final = ROOT / "docs" / "reference" / "waterfall.svg"
NAMES: Final = (
    *("machine", "tax", "tracing", "waterfall", "failover", "control_plane", "start", "imports"),
)

Result = Mapping[str, Any]

OPENING: Final = """# Performance

Written from `bench/results` by `bench/page.py`; to change it, measure anew (`bench/__main__.py`).

What a call costs is told as CPU first: on a machine that is shared it is steadier than time. It is that of
every process a call passes through, both ends and any sidecar, per answered call, with what is done for
it afterwards. Everything that is compared was measured in one run, in turns, and ratios are formed
within a turn; figures are medians, and the two numbers beside a ratio are its quartiles. Absolute
numbers belong to the machine they were measured on.
"""

SETUP: Final = """## How each was set up

All serve the same two answers, records' charts of about 200 and 10,000 bytes, from a handler that has
them ready, to one client process, with a deadline of one second.

- **Bare grpcio**: the synchronous server with a pool of 32 threads, the generated stub. *Mutual TLS*: P-256
  certificates at both ends.
- **OpenTelemetry's instrumentation**: the instrumentors of opentelemetry-instrumentation-grpc for client
  and server, every call sampled, a batch processor, and an exporter that drops.
- **Envoy**: one sidecar beside the caller and one beside the server, mutual TLS between them, plaintext
  to the processes beside them. As its documentation says for benchmarks: the released binary, one worker
  for each sidecar, circuit breakers out of the way, no request ids, no dynamic statistics, no access
  log. For failover its documented outlier detection and retries on another host, with a limit of 250 ms
  for each attempt.
- **FastAPI**: an `async` path operation with a response model, on one uvicorn worker with uvloop and
  httptools, no access log, no TLS; httpx with one client for all calls, its answers read into the same
  models.
- **Plexus**: a replica of records as the platform starts it and a workload that may call it: xDS from the
  control plane, mutual TLS, deadline, breaker, bulkhead, hedging armed, admission, authorisation,
  validation, audit, metrics, traces into an exporter that drops.

The code is in `bench/peers`. A call that failed is counted apart and costs whom it failed for: its CPU is
part of the answered calls'.
"""

# What was aimed at: who, against whom, no more or no less than how much.
_AIMS: Final = (
    ("plexus_1", "ratio", "bare grpcio", "at most", 1.35),
    ("plexus_1", "to_bare_mtls", "bare grpcio with mutual TLS", "at most", 1.2),
    ("plexus_100", "ratio", "bare grpcio", "at most", 2.0),
    ("envoy", "to_plexus_1", "Plexus at 1 %", "at least", 1.8),
)


def page(results: Mapping[str, Result]) -> str:
    """The text of the page."""
    sections = (
        OPENING,
        _machine(results["machine"]),
        _tax(results["tax"]),
        _tracing(results["tracing"]),
        _waterfall(results["waterfall"]),
        _failover(results["failover"]),
        _control_plane(results["control_plane"]),
        _start(results["start"], results["imports"]),
        SETUP,
    )
    return "\n".join(sections)


def _machine(told: Result) -> str:
    named = sorted(told.keys() - {"machine", "note"})
    versions = ", ".join(f"{name} {told[name]}" for name in named)
    note = f" {told['note']}" if told.get("note") else ""
    return f"Measured on {told['machine']}; {versions}.{note}\n"


def _tax(told: Result) -> str:
    lines = ["## The tax of a call\n"]
    measured = {name: of for name, of in told.items() if "shapes" in of}
    for shape in next(iter(measured.values()))["shapes"]:
        rows = [
            (
                of["title"],
                f"{of['shapes'][shape]['cpu_us']:.0f}",
                "{ratio:.2f} ({ratio_low:.2f}-{ratio_high:.2f})".format(**of["shapes"][shape]),
                f"{of['shapes'][shape]['p50_us']:.0f}",
                f"{of['shapes'][shape]['p99_us']:.0f}",
                f"{of['shapes'][shape]['rps']:.0f}",
                f"{of['shapes'][shape]['failures']:.0f}",
            )
            for of in measured.values()
        ]
        heads = ("", "CPU µs", "ratio", "p50 µs", "p99 µs", "calls/s", "failed")
        lines += [f"### {shape}\n", *_table(heads, rows), ""]
    lines += [
        f"{of['title']} was not measured: {of['absent']}.\n"
        for of in told.values()
        if "absent" in of
    ]
    lines += ["### Against what was aimed at\n", *_aims(measured), ""]
    lines += _out_of_reach(measured)
    return "\n".join(lines)


def _aims(measured: Mapping[str, Result]) -> Iterator[str]:
    heads = ("", "aim", *next(iter(measured.values()))["shapes"])
    rows = []
    for name, key, other, direction, bound in _AIMS:
        if name not in measured:
            continue
        values = [of[key] for of in measured[name]["shapes"].values()]
        kept = [value <= bound if direction == "at most" else value >= bound for value in values]
        rows.append(
            (
                f"{measured[name]['title']}, to {other}",
                f"{direction} {bound}",
                *(
                    f"{value:.2f}{'' if held else ' (missed)'}"
                    for value, held in zip(values, kept, strict=True)
                ),
            )
        )
    return _table(heads, rows)


def _out_of_reach(measured: Mapping[str, Result]) -> Iterator[str]:
    """Where the sidecars cost so little that the aim would ask for less than a bare call."""
    *_, (_, _, _, _, bound) = _AIMS
    sidecars = measured.get("envoy", {}).get("shapes", {})
    ratios = {shape: of["ratio"] for shape, of in sidecars.items() if of["ratio"] < bound}
    if ratios:
        told = " and ".join(f"{ratio:.2f} ({shape})" for shape, ratio in ratios.items())
        yield (
            f"Two sidecars cost {told} times bare grpcio: {bound} times less than that is less than bare"
            " grpcio takes, and nothing that is built on it can reach that.\n"
        )


def _tracing(told: Result) -> str:
    rows = [
        (of["title"], f"{of['cpu_us']:.0f}", f"{of['cpu_us_low']:.0f} to {of['cpu_us_high']:.0f}")
        for of in told.values()
        if isinstance(of, dict) and "title" in of
    ]
    return "\n".join(
        (
            "## Traces alone\n",
            "The stacks without a mesh around them, 200 B, 1 caller, with the encoding of spans and"
            " without what a receiver does with them. An unsampled call costs"
            f" {told['unsampled_ratio']:.2f} ({told['unsampled_ratio_low']:.2f}-"
            f"{told['unsampled_ratio_high']:.2f}) times one without traces; at most 1.10 is aimed at."
            f" Recording a call adds {told['added_sampled_us']:.0f} µs, where OpenTelemetry's"
            f" instrumentation alone adds {told['added_instrumentation_us']:.0f} µs; no more than that"
            " is aimed at.\n",
            *_table(("", "CPU µs", "quartiles"), rows),
            "",
        )
    )


def _waterfall(told: Result) -> str:
    rows = [
        (
            step["where"],
            step["name"],
            f"{step['us']:.0f}",
            f"{step['us_low']:.0f} to {step['us_high']:.0f}" if "us_low" in step else "",
        )
        for step in told["steps"]
    ]
    return "\n".join(
        (
            "## Where it goes\n",
            f"One call, {told['shape']}: {told['everything_us']:.0f} µs of CPU at both ends together,"
            f" {told['ratio']:.2f} times bare grpcio. Each layer is what the call costs with"
            " everything on, less what it costs without that layer; a frame is a stack with no layer"
            " in it. Layers share what they touch, so that they need not add up: the rest is what is"
            " left over. What lies within a few microseconds of nothing cannot be told from it.\n",
            f"![The waterfall of a call]({PLOT.name})\n",
            *_table(("where", "what", "µs", "quartiles"), rows),
            "",
        )
    )


def _failover(told: Result) -> str:
    rows = []
    for of in told.values():
        if not isinstance(of, dict):
            continue
        if "absent" in of:
            rows.append((of["title"], f"not measured: {of['absent']}", "", "", "", ""))
            continue
        for number in ("SIGKILL", "SIGSTOP"):
            seen = of[number]
            last = f"{seen['last_seconds']:.2f} s"
            rows.append(
                (
                    of["title"],
                    number,
                    f"{seen['affected']:g}",
                    f"{seen['failed']:g}",
                    "the end of the run" if seen["lasting"] else last,
                    f"{seen['worst_ms']:.0f} ms",
                )
            )
    heads = ("", "signal", "affected", "failed", "until", "slowest")
    return "\n".join(
        (
            "## When a replica dies, or hangs\n",
            f"One of two servers is killed, or stopped so that it keeps its connections and answers"
            f" nothing, under {told['rate']} calls a second that do not wait for one another. A call is"
            " affected when it fails or takes longer than 100 ms. Told is how many there were in"
            f" {told['watched_seconds']:g} s, and how long after the signal the last was sent: medians"
            " of the runs, of the slowest call the worst. With sidecars the server is hit, and its"
            " sidecar goes on.\n",
            *_table(heads, rows),
            "",
        )
    )


def _control_plane(told: Result) -> str:
    rows = [
        (
            str(point["clients"]),
            str(point["endpoints"]),
            f"{point['p50_ms']:.0f}",
            f"{point['p99_ms']:.0f}",
            f"{point['cpu_ms']:.0f}",
            f"{point['bytes'] / 1e6:.2f}",
            ", ".join(point["responses_by_type"]),
            f"{point['megabytes']:.0f}",
        )
        for point in told["points"]
    ]
    heads = (
        *("clients", "endpoints", "last ACK p50 ms", "slowest ms"),
        *("CPU ms", "MB sent", "of", "resident MB"),
    )
    return "\n".join(
        (
            "## The control plane\n",
            "One replica begins to drain, or takes work again. Told is how long it takes until the last"
            " client has accepted the change, and what one change costs the control plane. Each client"
            " subscribes to two of the four services that the endpoints are spread over, on a"
            " connection of its own. The control plane is one thread: until the last ACK most of the time"
            " is its own. The clients share the machine with it.\n",
            *_table(heads, rows),
            "",
        )
    )


def _start(start: Result, imports: Result) -> str:
    last = start["rounds"][-1]["megabytes"]
    memory = ", ".join(f"{name} {size:.0f}" for name, size in sorted(last.items()))
    rows = [(of["title"], f"{of['ms']:.0f}", f"{of['cpu_ms']:.0f}") for of in imports.values()]
    return "\n".join(
        (
            "## Starting\n",
            f"`plexus up` until every replica of all services is ready:"
            f" {start['ready_seconds']:.1f} s. Resident memory then, in MB, of the largest process of"
            f" each kind: {memory}.\n",
            "Importing, in milliseconds more than an interpreter that imports nothing; for the client"
            " package at most 260 is aimed at.\n",
            *_table(("", "ms", "CPU ms"), rows),
            "",
        )
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"| {' | '.join('---' if number == 0 else '---:' for number in range(len(heads)))} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def read(folder: Path = KEPT) -> dict[str, Result]:
    """The results in *folder*."""
    return {
        name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in NAMES
    }


def rendered(results: Mapping[str, Result]) -> dict[Path, str]:
    """Every file that is written, and what it says."""
    return {PAGE: page(results), PLOT: plot.waterfall(results["waterfall"])}


def main() -> int:
    """Write, or compare; 1 when they differ."""
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    if asked == "take":
        KEPT.mkdir(exist_ok=True)
        for name in NAMES:
            shutil.copyfile(RESULTS / f"{name}.json", KEPT / f"{name}.json")
        machine = {**read()["machine"], "note": " ".join(sys.argv[2:])}
        (KEPT / "machine.json").write_text(json.dumps(machine, indent=1) + "\n", encoding="utf-8")
    for path, text in rendered(read()).items():
        if asked == "drift":
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                print(f"{path.relative_to(ROOT)} is not what bench/results says")
                return 1
        else:
            path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
