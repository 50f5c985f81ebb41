"""The configuration for production, run: who may write, who may read, and what outlives a restart."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc

import observability
from mesh.runtime.ports import free_addresses
from tests.observability.certificates import Issuer

pytestmark = [pytest.mark.timeout(120)]

CONFIGURATION = Path(observability.__file__).parent / "jaeger"
PERSON, PASSWORD = "operator", secrets.token_urlsafe(12)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one Jaeger and one agent run; addresses are `host:port`."""

    program: Path
    folder: Path
    issuer: Issuer
    otlp: str
    ui: str
    agent: str
    environment: Mapping[str, str]

    @contextmanager
    def running(self, *names: str) -> Iterator[None]:
        """Jaeger's program with these configurations, until the end of the block."""
        line = [str(self.program), *(f"--config={CONFIGURATION / name}" for name in names)]
        log = self.folder / f"{names[0]}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                line, env={**os.environ, **self.environment}, stdout=output, stderr=output
            )
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)

    @contextmanager
    def jaeger(self) -> Iterator[None]:
        """Jaeger, once it answers."""
        with self.running("production.yaml", "storage-badger.yaml"):
            deadline = time.monotonic() + 30
            while self.ask("/api/services", PASSWORD) == 0:
                assert time.monotonic() < deadline, (
                    self.folder / "production.yaml.log"
                ).read_text()
                time.sleep(0.1)
            yield

    def ask(self, path: str, password: str) -> int:
        """The HTTP status that Jaeger's pages answer with; 0 when they do not."""
        trust = ssl.create_default_context(cafile=str(self.folder / "jaeger" / "ca.crt"))
        token = base64.b64encode(f"{PERSON}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {token}"} if password else {}
        request = urllib.request.Request(f"https://{self.ui}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10, context=trust) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code
        except OSError:
            return 0

    def await_trace(self, trace_id: bytes) -> None:
        """Wait until Jaeger gives the trace."""
        deadline = time.monotonic() + 30
        while self.ask(f"/api/traces/{trace_id.hex()}", PASSWORD) != 200:
            assert time.monotonic() < deadline
            time.sleep(0.2)


@pytest.fixture
def place(jaeger_program: Path | None, tmp_path: Path) -> Place:
    """A place with certificates and one person, in which nothing runs yet."""
    if jaeger_program is None:
        pytest.skip("no Jaeger here, and no Go to build it with")
    issuer = Issuer("operators")
    digest = base64.b64encode(hashlib.sha1(PASSWORD.encode(), usedforsecurity=False).digest())
    people = tmp_path / "people"
    people.write_text(f"{PERSON}:{{SHA}}{digest.decode()}\n", encoding="utf-8")
    receiver, ui, query, counts, own, health, agent = free_addresses(7)
    return Place(
        program=jaeger_program,
        folder=tmp_path,
        issuer=issuer,
        otlp=receiver,
        ui=ui,
        agent=agent,
        environment={
            "PLEXUS_JAEGER_OTLP": receiver,
            "PLEXUS_JAEGER_UI": ui,
            "PLEXUS_JAEGER_QUERY": query,
            "PLEXUS_JAEGER_SPAN_METRICS": counts,
            "PLEXUS_JAEGER_OWN_METRICS_HOST": "127.0.0.1",
            "PLEXUS_JAEGER_OWN_METRICS_PORT": own.rpartition(":")[2],
            "PLEXUS_JAEGER_HEALTH": health,
            "PLEXUS_JAEGER_TLS": str(issuer.write(tmp_path / "jaeger", "jaeger")),
            "PLEXUS_JAEGER_PEOPLE": str(people),
            "PLEXUS_JAEGER_DATA": str(tmp_path / "data"),
            "PLEXUS_JAEGER_UI_CONFIG": str(CONFIGURATION / "ui.json"),
            "PLEXUS_AGENT_OTLP": agent,
            "PLEXUS_AGENT_TLS": str(issuer.write(tmp_path / "agent", "a machine")),
        },
    )


def export(channel: grpc.Channel, *, patient: bool = True) -> bytes:
    """Send one span; its trace id. Who is *patient* waits for a connection."""
    trace_id = secrets.token_bytes(16)
    request = otlp.ExportTraceServiceRequest()
    spans = request.resource_spans.add()
    service = spans.resource.attributes.add(key="service.name")
    service.value.string_value = "records"
    now = time.time_ns()
    spans.scope_spans.add().spans.add(
        trace_id=trace_id,
        span_id=secrets.token_bytes(8),
        name="sent by a test",
        start_time_unix_nano=now,
        end_time_unix_nano=now + 1000,
    )
    stub = trace_service_pb2_grpc.TraceServiceStub(channel)  # type: ignore[no-untyped-call]
    stub.Export(request, timeout=15, wait_for_ready=patient)
    return trace_id


def refusal(channel: grpc.Channel) -> grpc.StatusCode:
    """How a span is refused."""
    with channel, pytest.raises(grpc.RpcError) as refused:
        export(channel, patient=False)
    code: grpc.StatusCode = refused.value.code()
    return code


def secure(place: Place, folder: Path | None) -> grpc.Channel:
    """A channel straight to Jaeger, with the certificate in *folder*."""
    trust = (place.folder / "jaeger" / "ca.crt").read_bytes()
    key = (folder / "tls.key").read_bytes() if folder else None
    chain = (folder / "tls.crt").read_bytes() if folder else None
    return grpc.secure_channel(place.otlp, grpc.ssl_channel_credentials(trust, key, chain))


def test_what_an_agent_passes_on_is_kept_over_a_restart(place: Place) -> None:
    with ExitStack() as running:
        running.enter_context(place.running("agent.yaml"))
        with place.jaeger():
            with grpc.insecure_channel(place.agent) as channel:
                trace_id = export(channel)
            place.await_trace(trace_id)
        with place.jaeger():
            place.await_trace(trace_id)


def test_nobody_writes_without_a_certificate_of_the_authority(place: Place) -> None:
    stranger = Issuer("somebody else").write(place.folder / "stranger", "a stranger")
    with place.jaeger():
        # A refused handshake and no answer look the same to a client: there is one that gets in.
        with secure(place, place.folder / "agent") as channel:
            place.await_trace(export(channel))
        for channel in (
            secure(place, None),
            secure(place, stranger),
            grpc.insecure_channel(place.otlp),
        ):
            assert refusal(channel) is grpc.StatusCode.UNAVAILABLE


def test_nobody_reads_without_a_password(place: Place) -> None:
    with place.jaeger():
        for path in ("/", "/api/services", "/api/traces/0", "/api/v3/services"):
            assert place.ask(path, "") == 401, path
            assert place.ask(path, PASSWORD + "x") == 401, path
        assert place.ask("/api/services", PASSWORD) == 200
