"""What the server stack does to every call before and after the handler, over a real connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry

from mesh.server import wrap
from observability.metrics import CallMetrics
from plexus.contract import Audience
from plexus.errors import (
    DependencyUnavailable,
    Fault,
    Internal,
    Invalid,
    NotFound,
    PlexusError,
)
from plexus.records.v1 import records_service_pb2 as records
from plexus.records.v1.errors_pb2 import RecordsError
from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub
from plexus.scheduling.v1.scheduling_service_pb2_grpc import SchedulingServiceStub
from tests.mesh.server.serving import (
    BOOKING,
    CONTRACT,
    PATIENT,
    RECORDS,
    SCHEDULING,
    SECRET,
    WRITE,
    Answering,
    Booking,
    Unforeseen,
    crash,
    found,
    reason,
    serving,
)


@pytest.mark.parametrize(
    ("caller", "token", "expected"),
    [
        ("scheduling", None, "OK"),
        ("billing", None, "OK"),
        ("triage", None, "CALLER_NOT_ALLOWED"),
        ("operator", None, "CALLER_NOT_ALLOWED"),
        ("", None, "CALLER_NOT_ALLOWED"),
        ("edge", None, "TOKEN_INVALID"),
        ("edge", "bad", "TOKEN_INVALID"),
        ("edge", "billing.read", "SCOPE_MISSING"),
        ("edge", "billing.read,records.read", "OK"),
        # A token is for the edge; a workload that is not a declared caller gains nothing by one.
        ("triage", "records.read", "CALLER_NOT_ALLOWED"),
    ],
)
def test_only_declared_callers_and_scoped_tokens_get_in(
    caller: str, token: str | None, expected: str
) -> None:
    servicer = Answering(found)
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    with serving(RECORDS, servicer, caller) as opened:
        stub = RecordsServiceStub(opened)
        assert reason(lambda: stub.GetPatient(PATIENT, metadata=metadata)) == expected
    assert len(servicer.seen) == (expected == "OK")


def test_the_access_table_is_the_contract_for_every_method_and_workload() -> None:
    for path, method in CONTRACT.methods.items():
        declared = {
            service.name
            for service in CONTRACT.services
            for source in (*service.methods, *service.tasks)
            if path in (*(call for call in _calls(source)),)
        }
        assert CONTRACT.callers[path] == declared, path
        if method.scope:
            assert method.audience is Audience.CALLERS, path


def _calls(source: Any) -> Iterator[str]:
    declared = getattr(source, "declared", ())
    for call in declared:
        yield getattr(call, "method", call)


def test_a_stranger_learns_nothing_not_even_which_methods_exist() -> None:
    with serving(RECORDS, Answering(found), "triage") as opened:
        raw = opened._channel
        answers = {
            (failure.code(), failure.details())
            for path in ("GetPatient", "NoSuchMethod")
            for failure in [_raw_failure(raw, f"/plexus.records.v1.RecordsService/{path}")]
        }
    assert answers == {(grpc.StatusCode.PERMISSION_DENIED, "CALLER_NOT_ALLOWED")}


def _raw_failure(raw: grpc.Channel, path: str) -> Any:
    # Bytes that are no message: who may not call does not get them parsed.
    call: Any = raw.unary_unary(path)
    with pytest.raises(grpc.RpcError) as failure:
        call(b"\xff\xff\xff", timeout=5)
    return failure.value


def test_bytes_that_are_no_message_are_an_invalid_request() -> None:
    with serving(RECORDS, Answering(found)) as opened:
        call: Any = opened._channel.unary_unary("/plexus.records.v1.RecordsService/GetPatient")
        with pytest.raises(grpc.RpcError) as failure:
            call(b"\xff\xff\xff", timeout=5)
    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_broken_rule_names_field_and_rule_and_never_the_value() -> None:
    servicer = Answering(found)
    with serving(RECORDS, servicer) as opened, pytest.raises(Invalid) as refusal:
        RecordsServiceStub(opened).GetPatient(records.GetPatientRequest(patient_id=SECRET))
    (violation,) = refusal.value.violations
    assert (violation.field, violation.rule) == ("patient_id", "string.pattern")
    assert SECRET not in f"{refusal.value}{refusal.value.explanation}{violation}"
    assert not servicer.seen


def test_every_message_of_a_request_stream_is_held_to_the_rules() -> None:
    servicer = Answering(found)
    pieces = [
        records.ImportBundleRequest(source="s", content=b"{"),
        records.ImportBundleRequest(source="NOT LOWER", content=b"}"),
    ]
    with serving(RECORDS, servicer, "edge") as opened, pytest.raises(Invalid) as refusal:
        RecordsServiceStub(opened).ImportBundle(
            iter(pieces), metadata=(("authorization", "Bearer records.write"),)
        )
    assert refusal.value.violations[0].field == "source"


def not_found(_: Any, __: Any) -> Any:
    raise Fault(RecordsError, RecordsError.RECORDS_ERROR_PATIENT_NOT_FOUND, patient_id="pat_x")


@pytest.mark.parametrize(
    ("answer", "kind", "named"),
    [(not_found, NotFound, "PATIENT_NOT_FOUND"), (crash, Internal, "INTERNAL")],
)
def test_a_failing_handler_gives_its_documented_reason_and_nothing_of_how(
    answer: Callable[[Any, Any], Any],
    kind: type[PlexusError],
    named: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving(RECORDS, Answering(answer)) as opened, pytest.raises(kind) as failure:
        RecordsServiceStub(opened).GetPatient(PATIENT)
    assert failure.value.reason == named
    printed = capsys.readouterr()
    assert SECRET not in f"{failure.value}{failure.value.explanation}{printed.out}{printed.err}"


class Late:
    """The context of a call whose deadline has passed on the way."""

    def __init__(self) -> None:
        self.ended: list[tuple[grpc.StatusCode, str]] = []
        self._code = grpc.StatusCode.OK

    def time_remaining(self) -> float:
        return 0.0

    def is_active(self) -> bool:
        return True

    def invocation_metadata(self) -> tuple[()]:
        return ()

    def set_trailing_metadata(self, _: object) -> None:
        pass

    def set_code(self, code: grpc.StatusCode) -> None:
        self._code = code

    def set_details(self, details: str) -> None:
        self.ended.append((self._code, details))


def test_work_whose_time_is_up_is_not_begun() -> None:
    servicer = Answering(found)
    context = Late()
    wrap(servicer, RECORDS).GetPatient(PATIENT, context)
    assert context.ended == [(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXHAUSTED")]
    assert not servicer.seen


def test_a_stream_ends_with_all_of_its_events() -> None:
    with serving(RECORDS, Answering(found), "edge") as opened:
        events = RecordsServiceStub(opened).StreamRecordEvents(
            records.StreamRecordEventsRequest(),
            metadata=(("authorization", "Bearer records.events"),),
        )
        assert [response.event.sequence for response in events] == [1, 2]


def test_a_failed_optional_call_shows_in_the_answer_as_declared() -> None:
    with serving(RECORDS, Answering(crash)) as remote:
        servicer = Booking(RecordsServiceStub(remote))
        with serving(SCHEDULING, servicer, "edge") as opened:
            response = SchedulingServiceStub(opened).BookAppointment(BOOKING, metadata=WRITE)
    (note,) = response.degradations
    call = CONTRACT.method(f"{SCHEDULING.full_name}/BookAppointment").calls[note.dependency]
    assert (note.effect, note.reason) == (call.effect, "INTERNAL")


def test_a_failed_required_call_fails_with_the_dependencys_name() -> None:
    with serving(RECORDS, Answering(crash)) as remote:
        servicer = Booking(RecordsServiceStub(remote), required=True)
        with serving(SCHEDULING, servicer, "edge") as opened:
            with pytest.raises(DependencyUnavailable) as failure:
                SchedulingServiceStub(opened).BookAppointment(BOOKING, metadata=WRITE)
    assert failure.value.metadata == {"dependency": f"{RECORDS.full_name}/GetPatient"}


def test_every_call_is_counted_by_caller_and_outcome_the_refused_ones_too() -> None:
    metrics = CallMetrics(CollectorRegistry())
    with serving(RECORDS, Answering(found), metrics=metrics) as opened:
        stub = RecordsServiceStub(opened)
        stub.GetPatient(PATIENT)
        reason(lambda: stub.GetPatient(records.GetPatientRequest(patient_id="x")))
        reason(lambda: stub.GetChart(records.GetChartRequest(patient_id="pat_00000000")))
    counted = {(c.method.split("/")[1], c.caller, c.outcome): c.calls for c in metrics.counts()}
    assert counted == {
        ("GetPatient", "scheduling", "OK"): 1,
        ("GetPatient", "scheduling", "INVALID_ARGUMENT"): 1,
        ("GetChart", "", "PERMISSION_DENIED"): 1,
    }


def test_an_upload_that_its_client_calls_off_is_no_failure_of_the_service(
    capsys: pytest.CaptureFixture[str],
) -> None:
    metrics = CallMetrics(CollectorRegistry())
    begun = threading.Event()

    class Reading(Unforeseen):
        def ImportBundle(self, request_iterator: Any, context: Any) -> Any:
            for _ in request_iterator:
                begun.set()
            # gRPC may tell of the end of the stream a moment before it tells of its reason: what it
            # raises otherwise is then for the handler to raise, as `go_on` does before a transaction.
            while context.is_active():
                time.sleep(0.001)
            raise grpc.RpcError

    def pieces() -> Iterator[Any]:
        yield records.ImportBundleRequest(source="s").SerializeToString()
        threading.Event().wait(5)

    with serving(RECORDS, Reading(), "edge", metrics) as opened:
        raw: Any = opened._channel.stream_unary(f"/{RECORDS.full_name}/ImportBundle")
        call = raw.future(
            pieces(), timeout=5, metadata=(("authorization", "Bearer records.write"),)
        )
        assert begun.wait(5)
        call.cancel()
        deadline = time.monotonic() + 5
        while not (counted := [c.outcome for c in metrics.counts()]):
            assert time.monotonic() < deadline
            time.sleep(0.001)
    assert counted == ["CANCELLED"]
    assert "INTERNAL" not in capsys.readouterr().out
