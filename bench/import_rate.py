"""How fast records takes FHIR in, and how fast it reads a chart and a patient.

python -m bench.import_rate                     in process: gRPC on a local port, the server stack, SQLite
python -m bench.import_rate --data FOLDER       with the bundles and NDJSON files of a folder
python -m bench.import_rate --target HOST:PORT  against a server that listens without TLS

Without --data it imports what the demo's generator makes. Prints resources per second for the first
import and for its repetition, with the CPU time per resource of this process (client and server), and
the milliseconds of a GetChart and a GetPatient through gRPC.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
from prometheus_client import CollectorRegistry

from mesh.host import Parts
from mesh.persistence import Database, migrate
from mesh.server import Parts as ServerParts
from mesh.server import handlers
from observability.metrics import CallMetrics
from plexus.contract import load
from plexus.records.v1 import records_service_pb2 as api
from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub
from services.records.service import build

_PIECE = 256 * 1024
_READS = 200
_TOKEN = (("authorization", "Bearer bench"),)
_GENERATED = 50


class _Anybody:
    subject = "bench"
    scopes = load().scopes


@contextmanager
def _served() -> Iterator[str]:
    """Records on a fresh SQLite file behind a local port."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/records.db")
        migrate(database, "services.records")
        descriptor, servicer = build(Parts("records", database)).servicers[0]
        parts = ServerParts(
            contract=load(),
            metrics=CallMetrics(CollectorRegistry()),
            identify=lambda _: "edge",
            verify=lambda _: _Anybody(),
        )
        server = grpc.server(ThreadPoolExecutor(8))
        made = handlers(descriptor, servicer, parts)
        generic = grpc.method_handlers_generic_handler(descriptor.full_name, made)
        server.add_generic_rpc_handlers((generic,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(None).wait()
        database.close()


def _contents(folder: Path | None) -> list[tuple[bytes, int]]:
    """What is imported, each with its form."""
    if folder is None:
        from demo.patients import synthesize

        return [
            (json.dumps(one).encode(), api.IMPORT_FORM_DOCUMENT)
            for one in synthesize(_GENERATED, seed=1)
        ]
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".json", ".ndjson"))
    return [
        (
            path.read_bytes(),
            api.IMPORT_FORM_NDJSON if path.suffix == ".ndjson" else api.IMPORT_FORM_DOCUMENT,
        )
        for path in files
    ]


def _pieces(content: bytes, form: int) -> Iterator[api.ImportBundleRequest]:
    for at in range(0, len(content), _PIECE):
        piece = content[at : at + _PIECE]
        yield api.ImportBundleRequest(source="bench", content=piece, form=form)  # type: ignore[arg-type]


def _import_all(records: RecordsServiceStub, contents: Sequence[tuple[bytes, int]]) -> set[str]:
    began, cpu = time.perf_counter(), time.process_time()
    responses = [
        records.ImportBundle(_pieces(*content), metadata=_TOKEN, timeout=600)
        for content in contents
    ]
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    created = sum(one.created for one in responses)
    others = sum(one.replaced + one.unchanged + one.outdated for one in responses)
    rejected = sum(one.rejected for one in responses)
    total = created + others + rejected
    print(
        f"{total:6} resources  {created:6} created  {rejected:4} rejected  {took:6.2f} s"
        f"  {total / took:6.0f}/s  {cpu / total * 1e6:5.0f} µs CPU each"
    )
    return {patient for one in responses for patient in one.patient_ids}


def _read(name: str, call: Callable[[str], object], patients: Sequence[str]) -> None:
    times = []
    for turn in range(_READS):
        began = time.perf_counter()
        call(patients[turn % len(patients)])
        times.append((time.perf_counter() - began) * 1000)
    worst = statistics.quantiles(times, n=20)[-1]
    print(f"{name:12} p50 {statistics.median(times):5.2f} ms  p95 {worst:5.2f} ms")


def _measure(target: str, contents: Sequence[tuple[bytes, int]]) -> None:
    with grpc.insecure_channel(target) as channel:
        records = RecordsServiceStub(channel)
        # The first resource loads the tables of FHIR.
        warm = [(b'{"resourceType":"Patient","id":"warm"}', api.IMPORT_FORM_DOCUMENT)]
        print("warm-up   ", end="")
        _import_all(records, warm)
        print("first     ", end="")
        patients = _import_all(records, contents)
        print("repetition", end="")
        _import_all(records, contents)
        known = sorted(patients)
        _read(
            "GetChart",
            lambda one: records.GetChart(
                api.GetChartRequest(patient_id=one), metadata=_TOKEN, timeout=5
            ),
            known,
        )
        _read(
            "GetPatient",
            lambda one: records.GetPatient(
                api.GetPatientRequest(patient_id=one), metadata=_TOKEN, timeout=5
            ),
            known,
        )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder of bundles and NDJSON files")
    parser.add_argument("--target", help="host:port of a server without TLS")
    told = parser.parse_args()
    contents = _contents(told.data)
    if told.target:
        _measure(told.target, contents)
    else:
        with _served() as target:
            _measure(target, contents)


if __name__ == "__main__":
    main()
