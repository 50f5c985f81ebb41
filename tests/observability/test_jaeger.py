"""What a real Jaeger shows of real processes, and that nothing depends on it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

import pytest

import observability
from mesh.runtime.client import Platform
from mesh.topology import EDGE
from plexus.contract import load
from plexus.errors import NotFound
from plexus.scheduling.v1 import scheduling_service_pb2 as scheduling
from plexus.scheduling.v1.appointment_pb2 import PatientVerification
from plexus.scheduling.v1.scheduling_service_pb2_grpc import SchedulingServiceStub
from tests.observability import calls, journey
from tests.observability.conftest import Report
from tests.observability.jaeger import Jaeger, Span
from tests.observability.prometheus import Prometheus

pytestmark = [pytest.mark.timeout(300)]

REASON = "plexus.error.reason"
# What a caller of a dead service is told: nobody answers, or its breaker knows that already.
REASONS = {"UNAVAILABLE", "DEPENDENCY_UNAVAILABLE"}
SERVICES = {"records", "scheduling", "triage", "billing"}
Answer = TypeVar("Answer")


def eventually(ask: Callable[[], Answer], is_right: Callable[[Answer], bool]) -> Answer:
    """The answer once it is right, or the last one after half a minute."""
    deadline = time.monotonic() + 30
    while not is_right(answer := ask()) and time.monotonic() < deadline:
        time.sleep(0.3)
    return answer


@pytest.fixture(scope="module")
def travelled(platform: Platform, jaeger: Jaeger, patients: list[str]) -> list[Span]:
    """The trace of one patient's journey, as Jaeger tells it."""
    with journey.recorded("journey") as trace_id:
        journey.travel(platform, patients[0])

    def is_whole(spans: Sequence[Span]) -> bool:
        served = {calls.short(span.name) for span in spans if span.kind == "server"}
        return served >= set(journey.STEPS) and is_connected(spans)

    return jaeger.settled(trace_id, is_whole)


@pytest.fixture(scope="module")
def refused(platform: Platform, jaeger: Jaeger, patients: list[str]) -> list[Span]:
    """The trace of a booking while records is dead, which it survives.

    Records is back afterwards, and has been asked again what it did not answer.
    """
    platform.signal("records", signal.SIGKILL, hold_down=True)
    try:
        with journey.recorded("booking") as trace_id:
            appointment_id = journey.book(platform, patients[1])
        conversation_id = journey.begin(platform, patients[1])
    finally:
        platform.scale("records", 2)
        platform.wait_ready(["records"])
    journey.answer(platform, conversation_id)
    stub = SchedulingServiceStub(platform.channel("scheduling"))
    verified = PatientVerification.PATIENT_VERIFICATION_VERIFIED
    eventually(
        lambda: (
            stub.GetAppointment(
                scheduling.GetAppointmentRequest(appointment_id=appointment_id)
            ).appointment.patient_verification
        ),
        lambda found: found == verified,
    )
    return jaeger.settled(trace_id, lambda spans: any(span.failed for span in spans))


def is_connected(spans: Sequence[Span]) -> bool:
    """Whether there is one root, and every other span hangs below it."""
    known = {span.span_id: span for span in spans}
    roots = [span for span in spans if not span.parent]
    return len(roots) == 1 and all(
        span is roots[0] or list(calls.ancestors(span, known))[-1:] == roots for span in spans
    )


def test_a_journey_is_one_connected_tree_across_all_four_services(
    jaeger: Jaeger, travelled: list[Span], report: Report
) -> None:
    services = {span.service for span in travelled}
    report(
        "jaeger",
        version=jaeger.version,
        trace_spans=len(travelled),
        services=sorted(services - {EDGE}),
        connected=is_connected(travelled),
    )
    assert services == SERVICES | {EDGE}
    assert is_connected(travelled)
    assert not [span.name for span in travelled if span.warnings]


def test_every_call_hangs_below_the_one_that_made_it(travelled: list[Span]) -> None:
    known = {span.span_id: span for span in travelled}
    for span in travelled:
        above = known.get(span.parent)
        if span.kind == "server":
            call = calls.call_of(span, known)
            assert call is not None
            assert (call.name, call.kind) == (span.name, "client")
            assert call.service != span.service
            assert span.attributes["plexus.caller"] in (call.service, "tests")
        elif above is not None:
            assert above.service == span.service, span.name


def test_a_journey_makes_the_calls_that_the_contracts_declare_of_its_steps(
    travelled: list[Span],
) -> None:
    steps = {(EDGE, step) for step in journey.STEPS} | {(EDGE, "scheduling.FindSlots")}
    expected = {pair for pair in calls.declared(load()) if pair[0] in journey.STEPS}
    # A chart that was read when the conversation began is not read again.
    expected.remove(("triage.SendMessage", "records.GetChart"))
    assert calls.made(travelled) == steps | expected


def test_what_follows_from_a_visit_is_linked_to_it(jaeger: Jaeger, travelled: list[Span]) -> None:
    """Billing learns of a visit from its stream of events, and that is a trace of its own."""
    visits = {(s.trace_id, s.span_id) for s in travelled if s.service == "scheduling"}

    def followed() -> list[Span]:
        return [span for span in jaeger.find("billing") if visits & set(span.links)]

    spans = eventually(followed, bool)
    assert {span.service for span in spans} == {"billing"}
    assert travelled[0].trace_id not in {span.trace_id for span in spans}


def test_with_a_killed_service_the_failing_span_says_why(refused: list[Span]) -> None:
    failing = [span for span in refused if span.failed and span.kind == "client"]
    assert {(span.service, calls.short(span.name)) for span in failing if "/" in span.name} == {
        ("scheduling", "records.GetPatient")
    }
    known = {span.span_id: span for span in refused}
    for span in failing:
        if "/" not in span.name:
            continue
        assert span.attributes[REASON] in REASONS
        assert span.attributes["error.type"] == span.attributes[REASON]
        assert span.attributes["error"]
        booking = known[span.parent]
        # The booking itself is an answer, which says what it lacks, and why.
        assert calls.short(booking.name) == "scheduling.BookAppointment"
        assert not booking.failed
        lacking = [event for event in booking.events if event["event"] == "plexus.degraded"]
        assert [calls.short(event["plexus.dependency"]) for event in lacking] == [
            "records.GetPatient"
        ]
        assert {event["plexus.error.reason"] for event in lacking} <= REASONS


def test_failing_spans_are_found_without_their_trace_id(
    jaeger: Jaeger, refused: list[Span]
) -> None:
    found = eventually(
        lambda: [
            s for r in REASONS for s in jaeger.find("scheduling", tags=f'{{"{REASON}": "{r}"}}')
        ],
        lambda spans: any(span.trace_id == refused[0].trace_id for span in spans),
    )
    assert refused[0].trace_id in {span.trace_id for span in found}


def test_the_dependency_graph_is_the_contracts_call_graph(
    platform: Platform,
    jaeger: Jaeger,
    travelled: list[Span],
    refused: list[Span],
    report: Report,
) -> None:
    del travelled, refused
    # Billing's stream of appointments is a call like any other; it is told of when it ends.
    platform.signal("billing", signal.SIGTERM)
    platform.wait_ready(["billing"])
    contract = load()
    declared = calls.declared(contract)
    wanted = calls.between_services(declared) | calls.reachable(contract)

    def drawn() -> set[tuple[str, str]]:
        return {pair for pair in jaeger.dependencies() if pair[0] != pair[1]}

    graph = eventually(drawn, lambda found: found >= wanted)
    report("jaeger", dependencies_match=graph == wanted)
    assert graph == wanted

    def between() -> set[tuple[str, str]]:
        spans = {s.span_id: s for service in SERVICES for s in jaeger.find(service)}
        return {pair for pair in calls.made(list(spans.values())) if pair[0] != EDGE}

    assert eventually(between, lambda found: found >= declared) == declared


def test_the_links_of_a_span_lead_to_numbers(
    platform: Platform, jaeger: Jaeger, prometheus: Prometheus, patients: list[str]
) -> None:
    """Every address that the pages would fill in from a span asks Prometheus what it can answer."""
    with journey.recorded("booking") as trace_id:
        journey.book(platform, patients[0])
    unknown = scheduling.GetAppointmentRequest(appointment_id="app_00000000")
    with pytest.raises(NotFound):
        SchedulingServiceStub(platform.channel("scheduling")).GetAppointment(unknown)
    served = next(span for span in jaeger.settled(trace_id) if span.kind == "server")
    failed = {"plexus.error.reason": "UNAVAILABLE"}
    queries = [
        expression
        for pattern in jaeger.pages()["linkPatterns"]
        if prometheus.address in pattern["url"]
        for expression in _asked(pattern["url"], {**served.attributes, **failed})
    ]
    assert len(queries) >= 3
    for expression in queries:
        assert eventually(partial(prometheus.query, expression), bool), expression


def _asked(template: str, attributes: Mapping[str, Any]) -> list[str]:
    """The queries in an address, its places filled in as Jaeger's pages do."""
    address = re.sub(r"#\{([^}]+)\}", lambda m: quote(str(attributes[m[1]]), safe=""), template)
    asked = parse_qs(urlsplit(address).query)
    return [value for name, values in asked.items() if name.endswith("expr") for value in values]


def test_the_monitor_tab_has_data(
    platform: Platform, jaeger: Jaeger, travelled: list[Span]
) -> None:
    del travelled
    if "prometheus" not in platform.observers():
        pytest.skip("no Prometheus here, and the Monitor tab reads from it")
    assert eventually(lambda: jaeger.rate("triage"), bool)


@pytest.mark.parametrize(
    "names",
    [
        ("jaeger.yaml",),
        ("agent.yaml",),
        ("production.yaml", "storage-badger.yaml"),
        ("production.yaml", "storage-elasticsearch.yaml"),
    ],
    ids=" + ".join,
)
def test_the_configurations_are_ones_that_jaeger_takes(
    jaeger: Jaeger, jaeger_program: Path, names: tuple[str, ...]
) -> None:
    del jaeger
    folder = Path(observability.__file__).parent / "jaeger"
    told = subprocess.run(
        [str(jaeger_program), "validate", *(f"--config={folder / name}" for name in names)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PLEXUS_JAEGER_UI_CONFIG": str(folder / "ui.json")},
    )
    assert told.returncode == 0, told.stderr


def test_nobody_notices_that_jaeger_is_gone_and_it_comes_back(
    platform: Platform, jaeger: Jaeger, patients: list[str]
) -> None:
    platform.signal("jaeger", signal.SIGKILL, hold_down=True)
    with journey.recorded("unseen") as unseen:
        journey.travel(platform, patients[2])
    # What was kept here has it all the same.
    assert eventually(lambda: len(platform.trace(unseen)), bool)
    assert not _answers(jaeger)
    platform.scale("jaeger", 1)
    eventually(lambda: _answers(jaeger), bool)
    with journey.recorded("seen again") as seen:
        journey.book(platform, patients[2])
    assert jaeger.settled(seen)


def _answers(jaeger: Jaeger) -> bool:
    try:
        jaeger.services()
    except OSError:
        return False
    return True
