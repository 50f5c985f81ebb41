"""The promises that only the whole keeps: real processes, mutual TLS, xDS, two replicas, real kills."""

from __future__ import annotations

import json
import signal
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from demo.clinics import open_clinics
from demo.patients import synthesize
from mesh.command.importing import import_file
from mesh.runtime.client import Platform
from plexus.client import Channel
from plexus.errors import Conflict, PlexusError
from plexus.mesh.v1.replica_pb2 import REPLICA_STATE_READY, Replica
from plexus.records.v1 import records_service_pb2 as records
from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub
from plexus.scheduling.v1 import scheduling_service_pb2 as scheduling
from plexus.scheduling.v1.scheduling_service_pb2_grpc import SchedulingServiceStub
from plexus.scheduling.v1.slot_pb2 import Slot
from tests.platform import platform  # noqa: F401 - a fixture

pytestmark = [pytest.mark.xdist_group("platform"), pytest.mark.timeout(180)]

UNARY = "plexus.scheduling.v1.SchedulingService/ListClinics"


@pytest.fixture(scope="module")
def desk(platform: Platform) -> SchedulingServiceStub:  # noqa: F811
    """Scheduling with open clinics."""
    stub = SchedulingServiceStub(platform.channel("scheduling"))
    open_clinics(stub, doctors_a_shift=1)
    return stub


@pytest.fixture(scope="module")
def patient(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> str:  # noqa: F811
    """A patient whom records knows."""
    file = tmp_path_factory.mktemp("fhir") / "patient.json"
    file.write_text(json.dumps(next(synthesize(1, seed=3))), encoding="utf-8")
    return import_file(platform.channel("records"), file, "tests").patient_ids[0]


def a_slot(desk: SchedulingServiceStub) -> Slot:
    return desk.FindSlots(scheduling.FindSlotsRequest(limit=1)).slots[0]


def booking(slot: Slot, patient_id: str, request_id: str = "") -> scheduling.BookAppointmentRequest:
    return scheduling.BookAppointmentRequest(
        request_id=request_id,
        patient_id=patient_id,
        practitioner_id=slot.practitioner_id,
        appointment_type_id=slot.appointment_type_id,
        start_time=slot.start_time,
    )


def outcome(call: Callable[[], object]) -> str:
    try:
        call()
    except PlexusError as error:
        return error.reason
    return "OK"


def test_a_hundred_who_want_one_slot_get_one_winner(
    desk: SchedulingServiceStub, patient: str
) -> None:
    wish = booking(a_slot(desk), patient)
    with ThreadPoolExecutor(100) as callers:
        asked = [callers.submit(outcome, lambda: desk.BookAppointment(wish)) for _ in range(100)]
        outcomes = Counter(call.result() for call in asked)
    assert outcomes == {"OK": 1, "SLOT_TAKEN": 99}


def test_a_hundred_equal_requests_have_one_effect_and_one_answer(
    desk: SchedulingServiceStub, patient: str
) -> None:
    wish = booking(a_slot(desk), patient, request_id="once-and-only-once")
    with ThreadPoolExecutor(100) as callers:
        asked = [callers.submit(desk.BookAppointment, wish) for _ in range(100)]
        answers = {call.result().SerializeToString(deterministic=True) for call in asked}
    assert len(answers) == 1
    wish.reason = "another"
    with pytest.raises(Conflict) as refusal:
        desk.BookAppointment(wish)
    assert refusal.value.reason == "REQUEST_ID_REUSED"


def replicas(platform: Platform, service: str) -> list[Replica]:  # noqa: F811
    return [r for r in platform.status().replicas if r.service == service]


class Load:
    """Readers that call until told to stop; how each call ended."""

    def __init__(self, call: Callable[[], object], readers: int = 4) -> None:
        self._call = call
        self._stop = threading.Event()
        self.outcomes: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(readers)]

    def _run(self) -> None:
        while not self._stop.is_set():
            self.outcomes[outcome(self._call)] += 1

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        self.wait_for(200)
        return self

    def wait_for(self, more: int) -> None:
        """Wait until so many further calls have ended."""
        target = self.outcomes.total() + more
        deadline = time.monotonic() + 60
        while self.outcomes.total() < target:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(10)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "drained"])
def test_the_loss_of_one_replica_is_not_seen(
    platform: Platform,  # noqa: F811
    desk: SchedulingServiceStub,
    number: signal.Signals,
) -> None:
    victim = replicas(platform, "scheduling")[0]
    with Load(lambda: desk.ListClinics(scheduling.ListClinicsRequest())) as load:
        platform.signal(victim.name, number)
        load.wait_for(400)
    assert set(load.outcomes) == {"OK"}
    platform.wait_ready(["scheduling"])


def test_without_the_control_plane_calls_go_on_and_nothing_is_forgotten(
    platform: Platform,  # noqa: F811
    desk: SchedulingServiceStub,
) -> None:
    before = {(r.name, r.port) for r in platform.status().replicas}
    with Load(lambda: desk.ListClinics(scheduling.ListClinicsRequest())) as load:
        platform.signal("control-plane", signal.SIGKILL)
        load.wait_for(400)
    assert set(load.outcomes) == {"OK"}
    after = platform.wait_ready()
    assert {(r.name, r.port) for r in after.replicas} == before
    assert all(r.state == REPLICA_STATE_READY for r in after.replicas)


def failure(channel: grpc.Channel) -> grpc.StatusCode:
    call: Callable[..., object] = channel.unary_unary(f"/{UNARY}")
    with channel, pytest.raises(grpc.RpcError) as refused:
        call(b"", timeout=5)
    code: grpc.StatusCode = refused.value.code()
    return code


def test_a_replica_speaks_to_nobody_without_a_certificate_of_the_mesh(
    platform: Platform,  # noqa: F811
    tmp_path: Path,
) -> None:
    replica = replicas(platform, "scheduling")[0]
    address = f"{replica.host}:{replica.port}"
    assert failure(grpc.insecure_channel(address)) is grpc.StatusCode.UNAVAILABLE
    bundle = ssl.get_server_certificate((replica.host, replica.port)).encode()
    # Believing the server is not enough: it wants to believe its caller.
    one_sided = grpc.ssl_channel_credentials(bundle)
    assert failure(grpc.secure_channel(address, one_sided)) is grpc.StatusCode.UNAVAILABLE


def test_a_caller_that_no_contract_lets_in_learns_nothing(platform: Platform) -> None:  # noqa: F811
    opened: Channel = platform.channel("scheduling")
    for path, code in (
        # The edge without a token, past the client stack.
        (UNARY, grpc.StatusCode.UNAUTHENTICATED),
        # No route leads to what no contract states.
        ("plexus.scheduling.v1.SchedulingService/NoSuchMethod", grpc.StatusCode.UNAVAILABLE),
    ):
        call: Callable[..., object] = opened._channel.unary_unary(f"/{path}")
        with pytest.raises(grpc.RpcError) as refused:
            call(b"\xff", timeout=5)
        assert refused.value.code() is code, path


def test_what_was_imported_is_given_back_whole(platform: Platform, patient: str) -> None:  # noqa: F811
    bundle = next(synthesize(1, seed=3))
    sent = {
        (entry["resource"]["resourceType"], entry["resource"]["id"]): entry["resource"]
        for entry in bundle["entry"]
    }
    stub = RecordsServiceStub(platform.channel("records"))
    given = {
        (original.resource_type, original.source_id): json.loads(original.resource_json)
        for original in stub.ExportPatient(records.ExportPatientRequest(patient_id=patient))
    }
    chart = stub.GetChart(records.GetChartRequest(patient_id=patient)).chart
    assert chart.patient.id == patient
    differing = [key for key, resource in given.items() if sent.get(key) != resource]
    assert not differing
    of_the_patient = {key for key in sent if key[0] not in ("Organization", "Practitioner")}
    assert of_the_patient <= given.keys() | {("Location", key[1]) for key in sent}
