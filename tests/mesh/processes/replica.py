"""A real replica of records: mutual TLS, gRPC health, a lease, and a handler that tells its name.

Run with the environment of a replica and the port as the only argument. SIGTERM drains it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from concurrent import futures
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from mesh import meaning
from mesh.identity.workload import WorkloadIdentity
from mesh.registration import Registration
from mesh.settings import Settings
from plexus.mesh.v1.replica_pb2 import (
    REPLICA_STATE_DRAINING,
    REPLICA_STATE_READY,
    REPLICA_STATE_STARTING,
    Replica,
)
from plexus.records.v1.patient_pb2 import Patient
from plexus.records.v1.records_service_pb2 import GetPatientRequest, GetPatientResponse


class Records:
    """Answers with its own name, after as many milliseconds as the id ends in."""

    def __init__(self, name: str) -> None:
        self._name = name

    def GetPatient(self, request: GetPatientRequest, context: Any) -> GetPatientResponse:
        """Return the replica's name as the patient's id. A replica named sick always fails."""
        if self._name == "records-sick":
            context.abort(grpc.StatusCode.INTERNAL, "sick")
        time.sleep(int("0" + request.patient_id.rpartition("_")[2]) / 1000)
        return GetPatientResponse(patient=Patient(id=self._name))


def main() -> None:
    """Serve until SIGTERM, then drain."""
    settings = Settings.read()
    identity = WorkloadIdentity(settings)
    identity.start()
    server = grpc.server(futures.ThreadPoolExecutor(meaning.HANDLER_THREADS))
    get_patient: Any = grpc.unary_unary_rpc_method_handler(
        Records(settings.replica).GetPatient,
        GetPatientRequest.FromString,
        GetPatientResponse.SerializeToString,
    )
    records = grpc.method_handlers_generic_handler(
        "plexus.records.v1.RecordsService", {"GetPatient": get_patient}
    )
    server.add_generic_rpc_handlers((records,))
    healthy = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    healthy.set("", health_pb2.HealthCheckResponse.SERVING)
    port = server.add_secure_port(f"127.0.0.1:{sys.argv[1]}", identity.server_credentials())
    server.start()
    described = Replica(
        name=settings.replica,
        service=identity.workload,
        host="127.0.0.1",
        port=port,
        state=REPLICA_STATE_STARTING,
        pid=os.getpid(),
        version="test",
    )
    registration = Registration(identity, settings, lambda: described)
    registration.start()
    registration.announce(REPLICA_STATE_READY, timeout=10)
    print("ready", flush=True)
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    asked.wait()
    registration.announce(REPLICA_STATE_DRAINING)
    time.sleep(meaning.DRAIN_PAUSE)
    healthy.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    server.stop(grace=5).wait()
    registration.close()


if __name__ == "__main__":
    main()
