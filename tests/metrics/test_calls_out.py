"""What calls to others came to: counted as they pass, told when asked."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import grpc

from observability.metrics import calls_out
from plexus.client import Channel
from plexus.errors import PlexusError
from plexus.records.v1 import records_service_pb2 as records
from tests.client.remote import (
    GET_PATIENT,
    PATIENT,
    Answer,
    empty,
    failing,
    records_of,
    remote,
)


def told(opened: Channel, *prefixes: str) -> dict[tuple[str, ...], float]:
    """The samples of a channel whose names begin so, by name and labels other than the method."""
    found: dict[tuple[str, ...], float] = {}
    for family in calls_out(lambda: [opened], lambda path: path == GET_PATIENT):
        for sample in family.samples:
            labels = [v for k, v in sorted(sample.labels.items()) if k not in ("rpc_method", "le")]
            if sample.name.startswith(prefixes):
                found[sample.name, *labels] = sample.value
    return found


def test_calls_are_counted_by_how_they_ended_for_their_caller() -> None:
    answers: list[Answer] = [empty, failing(grpc.StatusCode.NOT_FOUND), empty]
    with remote(lambda request, context: answers.pop()(request, context)) as server:
        with server.channel(hedge_rivals=0) as opened:
            stub = records_of(opened)
            for _ in range(3):
                with suppress(PlexusError):
                    stub.GetPatient(PATIENT)
            found = told(opened, "rpc_client_call_duration_seconds_count")
    assert found == {
        ("rpc_client_call_duration_seconds_count", "OK"): 2,
        ("rpc_client_call_duration_seconds_count", "NOT_FOUND"): 1,
    }


def test_a_breaker_tells_its_state_what_opened_it_and_what_it_refused() -> None:
    with remote(failing(grpc.StatusCode.INTERNAL)) as server:
        with server.channel(breaker_failures=2, breaker_seconds=60.0, hedge_rivals=0) as opened:
            stub = records_of(opened)
            for _ in range(5):
                with suppress(PlexusError):
                    stub.GetPatient(PATIENT)
            found = told(opened, "rpc_client_breaker")
    probe = found.pop(("rpc_client_breaker_next_probe_seconds",))
    assert 0 < probe <= 60
    assert found == {
        ("rpc_client_breaker_state", "closed"): 0,
        ("rpc_client_breaker_state", "open"): 1,
        ("rpc_client_breaker_state", "half-open"): 0,
        ("rpc_client_breaker_failures",): 2,
        ("rpc_client_breaker_last_error", "INTERNAL"): 1,
        ("rpc_client_breaker_openings_total",): 1,
        ("rpc_client_breaker_refusals_total",): 3,
        ("rpc_client_breaker_probes_total",): 0,
    }


def test_hedges_are_counted_sent_won_and_denied() -> None:
    release, first = threading.Event(), threading.Event()

    def answer(_: bytes, context: grpc.ServicerContext) -> bytes:
        # The first attempt hangs; so does the second call, for which no hedge is left.
        if not first.is_set():
            first.set()
            release.wait(10)
        elif server.calls > 2:
            release.wait(0.2)
        return b""

    with remote(answer) as server:
        with server.channel(
            hedge_floor=0.01, hedge_start=1.0, hedge_budget=0.0, hedge_reserve=1.0, hedge_rivals=1
        ) as opened:
            stub: Any = records_of(opened)
            stub.GetPatient(PATIENT)
            stub.GetPatient(PATIENT)
            found = told(opened, "rpc_client_hedges")
        release.set()
    assert found == {
        ("rpc_client_hedges_total",): 1,
        ("rpc_client_hedges_won_total",): 1,
        ("rpc_client_hedges_refused_total",): 1,
    }


def test_what_finds_no_place_is_counted() -> None:
    entered, release = threading.Event(), threading.Event()

    def answer(_: bytes, context: grpc.ServicerContext) -> bytes:
        entered.set()
        release.wait(10)
        return b""

    with remote(answer) as server, server.channel(bulkhead=1, hedge_rivals=0) as opened:
        stub = records_of(opened)
        holding = threading.Thread(target=lambda: stub.GetPatient(PATIENT, timeout=5))
        holding.start()
        assert entered.wait(5)
        with suppress(PlexusError):
            stub.GetPatient(records.GetPatientRequest(patient_id="pat_00000000"), timeout=0.05)
        release.set()
        holding.join()
        found = told(opened, "rpc_client_bulkhead")
    assert found == {("rpc_client_bulkhead_refusals_total",): 1}
