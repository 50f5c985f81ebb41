"""A real gRPC client of the mesh, told what to do on its standard input, one command a line.

`call PATIENT_ID` makes one call; `load THREADS PATIENT_ID` calls without a pause until `stop`. Each
command is answered by one line of JSON: how many calls ended how, and who answered them.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import Counter

from mesh.identity.workload import WorkloadIdentity
from mesh.settings import Settings
from mesh.understudy import understudy

_DEADLINE = 2.0


def main() -> None:
    """Join, then obey."""
    settings = Settings.read()
    identity = WorkloadIdentity(settings)
    identity.start()
    # Before gRPC makes its first xDS channel: it reads the bootstrap once.
    os.environ["GRPC_XDS_BOOTSTRAP_CONFIG"] = identity.bootstrap(understudy(settings))
    client = _Client(sys.argv[1])
    print("ready", flush=True)
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        print(json.dumps(client.obey(command, argument)), flush=True)


class _Client:
    def __init__(self, target: str) -> None:
        import grpc

        from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub

        self._channel = grpc.secure_channel(target, grpc.xds_channel_credentials())
        self._stub = RecordsServiceStub(self._channel)
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def obey(self, command: str, argument: str) -> dict[str, int]:
        if command == "call":
            self._counts = Counter()
            self._call(argument)
        elif command == "load":
            self._counts = Counter()
            self._stop.clear()
            threads, _, patient_id = argument.partition(" ")
            self._threads = [
                threading.Thread(target=self._load, args=(patient_id,), daemon=True)
                for _ in range(int(threads))
            ]
            for thread in self._threads:
                thread.start()
        elif command == "stop":
            self._stop.set()
            for thread in self._threads:
                thread.join()
        with self._lock:
            return dict(self._counts)

    def _load(self, patient_id: str) -> None:
        while not self._stop.is_set():
            self._call(patient_id)

    def _call(self, patient_id: str) -> None:
        import grpc

        from plexus.records.v1.records_service_pb2 import GetPatientRequest

        request = GetPatientRequest(patient_id=patient_id)
        try:
            answer = self._stub.GetPatient(request, timeout=_DEADLINE)
            outcome = f"OK {answer.patient.id}"
        except grpc.RpcError as error:
            outcome = f"{error.code().name} {error.details()}"
        with self._lock:
            self._counts[outcome] += 1


if __name__ == "__main__":
    main()
