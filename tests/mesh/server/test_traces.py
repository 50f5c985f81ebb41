"""What a callee's part of a trace shows: who asked, why it failed, what it waited for and went without."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import ServiceDescriptor
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import CollectorRegistry

from mesh import meaning
from mesh.server import Admission, Parts, current, handlers
from mesh.server.admission import Limit
from observability.metrics import CallMetrics
from plexus.client import Channel, Tuning, channel
from plexus.client.spans import DEPENDENCY, DOMAIN, REASON, STATUS_CODE
from plexus.contract import load
from plexus.errors import Fault, PlexusError
from plexus.records.v1 import records_service_pb2 as records
from plexus.records.v1.errors_pb2 import RecordsError
from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub
from plexus.scheduling.v1.scheduling_service_pb2_grpc import SchedulingServiceStub
from tests.listening import listening
from tests.mesh.server.serving import (
    BOOKING,
    PATIENT,
    RECORDS,
    SCHEDULING,
    SECRET,
    WRITE,
    Answering,
    Booking,
    crash,
    found,
)
from tests.spans import happened, id_of, parent_of, recorded, told, trace_of

CONTRACT = load()


class Anybody:
    subject = "app"
    scopes = CONTRACT.scopes


@contextmanager
def serving(
    descriptor: ServiceDescriptor,
    servicer: object,
    *,
    caller: str = "scheduling",
    sampling: float = 1.0,
    admission: Admission | None = None,
    raw: bool = False,
    **tuning: Any,
) -> Iterator[Any]:
    """A channel to *servicer* in its stack; *raw*, without a stack of its own."""
    parts = Parts(
        contract=CONTRACT,
        metrics=CallMetrics(CollectorRegistry()),
        identify=lambda _: caller,
        verify=lambda _: Anybody(),
        sampling=sampling,
        admission=admission,
    )
    server = grpc.server(ThreadPoolExecutor(16))
    made = handlers(descriptor, servicer, parts)
    generic = grpc.method_handlers_generic_handler(descriptor.full_name, made)
    server.add_generic_rpc_handlers((generic,))
    with listening(server) as target:
        if raw:
            with grpc.insecure_channel(target) as plain:
                yield plain
        else:
            tuned = Tuning(**{"sampling": sampling, "hedge_rivals": 0, **tuning})
            with channel(target, tuning=tuned) as opened:
                yield opened


def nobody(_: Any, __: Any) -> Any:
    raise Fault(RecordsError, RecordsError.RECORDS_ERROR_PATIENT_NOT_FOUND, patient_id="pat_x")


def attempt(call: Callable[[], object]) -> None:
    with suppress(PlexusError):
        call()


@pytest.mark.parametrize(
    ("answer", "code", "reason", "domain", "failed"),
    [
        (found, grpc.StatusCode.OK, None, None, False),
        (nobody, grpc.StatusCode.NOT_FOUND, "PATIENT_NOT_FOUND", "records.plexus", False),
        (crash, grpc.StatusCode.INTERNAL, "INTERNAL", "plexus", True),
    ],
    ids=["ok", "refused", "broken"],
)
def test_a_sampled_call_is_one_trace_whose_spans_carry_the_reason_and_nothing_that_was_said(
    answer: Any, code: grpc.StatusCode, reason: str | None, domain: str | None, failed: bool
) -> None:
    with recorded() as spans, serving(RECORDS, Answering(answer)) as opened:
        attempt(lambda: RecordsServiceStub(opened).GetPatient(PATIENT))
        client, server = spans.one(SpanKind.CLIENT), spans.one(SpanKind.SERVER)
    assert (trace_of(server), parent_of(server)) == (trace_of(client), id_of(client))
    for span in (client, server):
        assert told(span)[STATUS_CODE] == code.value[0]
        assert (told(span).get(REASON), told(span).get(DOMAIN)) == (reason, domain)
        assert SECRET not in span.to_json()
        assert happened(span) == []
    assert told(server)["plexus.caller"] == "scheduling"
    # To the server a refusal is no error; what it could not foresee is.
    assert (server.status.status_code is StatusCode.ERROR) is failed


@pytest.mark.parametrize(
    ("answer", "left"), [(found, 0), (nobody, 0), (crash, 2)], ids=["ok", "refused", "broken"]
)
def test_an_unsampled_call_leaves_its_spans_on_both_sides_when_the_platform_fails(
    answer: Any, left: int
) -> None:
    with recorded() as spans, serving(RECORDS, Answering(answer), sampling=0.0) as opened:
        attempt(lambda: RecordsServiceStub(opened).GetPatient(PATIENT))
    assert len(spans.all()) == left
    if left:
        client, server = spans.one(SpanKind.CLIENT), spans.one(SpanKind.SERVER)
        assert (trace_of(server), parent_of(server)) == (trace_of(client), id_of(client))
        assert parent_of(client) == 0
        assert {told(span)[REASON] for span in (client, server)} == {"INTERNAL"}


def test_an_unsampled_call_that_is_slow_leaves_its_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meaning, "SLOW_SHARE", 0.0)
    with (
        recorded() as spans,
        serving(RECORDS, Answering(found), sampling=0.0, slow_share=0.0) as opened,
    ):
        RecordsServiceStub(opened).GetPatient(PATIENT)
    client, server = spans.one(SpanKind.CLIENT), spans.one(SpanKind.SERVER)
    assert (trace_of(server), parent_of(server)) == (trace_of(client), id_of(client))
    assert {told(span)[STATUS_CODE] for span in (client, server)} == {0}


@pytest.mark.parametrize("sampling", [1.0, 0.0], ids=["sampled", "made afterwards"])
def test_what_an_answer_goes_without_shows_on_its_span_below_which_the_failed_call_hangs(
    sampling: float,
) -> None:
    def fails_unseen(_: Any, context: Any) -> Any:
        return crash(_, context)

    with recorded() as spans, serving(RECORDS, Answering(fails_unseen), sampling=sampling) as far:
        servicer = Booking(RecordsServiceStub(far))
        with serving(SCHEDULING, servicer, caller="edge", sampling=sampling) as opened:
            SchedulingServiceStub(opened).BookAppointment(BOOKING, metadata=WRITE)
            booking, asking, asked = (spans.one(kind, name) for kind, name in BELOW)
    call = CONTRACT.method(f"{SCHEDULING.full_name}/BookAppointment").calls[GET]
    assert happened(booking) == [
        ("plexus.degraded", {DEPENDENCY: GET, "plexus.effect": call.effect, REASON: "INTERNAL"})
    ]
    assert (parent_of(asking), parent_of(asked)) == (id_of(booking), id_of(asking))
    assert len({trace_of(span) for span in (booking, asking, asked)}) == 1
    # A quick caller that got an answer has no span of an unsampled call.
    callers = [id_of(s) for s in spans.all() if s.kind is SpanKind.CLIENT and "Book" in s.name]
    assert callers == ([parent_of(booking)] if sampling else [])


GET = f"{RECORDS.full_name}/GetPatient"
BELOW = (
    (SpanKind.SERVER, "Book"),
    (SpanKind.CLIENT, "GetPatient"),
    (SpanKind.SERVER, "GetPatient"),
)


class Holding(Answering):
    """Holds its first call until it is let go."""

    def __init__(self) -> None:
        super().__init__(found)
        self.begun, self.go = threading.Event(), threading.Event()

    def GetPatient(self, request: Any, context: Any) -> Any:
        self.begun.set()
        self.go.wait(10)
        return found(request, context)


@pytest.mark.parametrize("queue", [1, 0], ids=["queued", "shed"])
def test_waiting_for_a_place_and_finding_none_show_on_the_call(queue: int) -> None:
    holding = Holding()
    door = Admission(Limit(1, 1, 1), queue=queue)
    with recorded() as spans, serving(RECORDS, holding, admission=door) as opened:
        stub = RecordsServiceStub(opened)
        with ThreadPoolExecutor(2) as callers:
            held = callers.submit(stub.GetPatient, PATIENT)
            assert holding.begun.wait(5)
            later: Future[Any] = callers.submit(attempt, lambda: stub.GetPatient(PATIENT))
            if queue:
                while not door.waiting:
                    threading.Event().wait(0.001)
            else:
                later.result(5)
            holding.go.set()
            held.result(5)
        ended = spans.until(lambda all: sum(s.kind is SpanKind.SERVER for s in all) == 2)
    events = [event for span in ended for event in happened(span)]
    if queue:
        ((name, attributes),) = events
        assert name == "plexus.admission.queued"
        assert attributes["plexus.seconds"] > 0
    else:
        assert events == [("plexus.admission.shed", {})]
        (shed,) = [s for s in ended if s.kind is SpanKind.SERVER and REASON in told(s)]
        assert told(shed)[REASON] == "OVERLOADED"


def test_a_retry_of_grpcs_own_is_marked_where_it_arrives() -> None:
    with recorded() as spans, refusing_once(Answering(found)) as opened:
        RecordsServiceStub(opened).GetPatient(PATIENT)
        server = spans.one(SpanKind.SERVER)
    assert told(server)["plexus.previous_attempts"] == 1


@contextmanager
def refusing_once(servicer: object) -> Iterator[Channel]:
    """A channel whose server is UNAVAILABLE once, before its stack is reached."""
    parts = Parts(
        contract=CONTRACT,
        metrics=CallMetrics(CollectorRegistry()),
        identify=lambda _: "scheduling",
        verify=None,
    )
    first = threading.Event()

    class Broken(grpc.ServerInterceptor):
        def intercept_service(self, continuation: Any, details: Any) -> Any:
            if first.is_set():
                return continuation(details)
            first.set()

            def refuse(_: Any, context: grpc.ServicerContext) -> Any:
                context.abort(grpc.StatusCode.UNAVAILABLE, "")

            return grpc.unary_stream_rpc_method_handler(refuse)

    server = grpc.server(ThreadPoolExecutor(4), interceptors=[Broken()])
    made = handlers(RECORDS, servicer, parts)
    generic = grpc.method_handlers_generic_handler(RECORDS.full_name, made)
    server.add_generic_rpc_handlers((generic,))
    with listening(server) as target, channel(target, tuning=Tuning(sampling=1.0)) as opened:
        yield opened


class Streaming(Answering):
    """Tells of events for as long as it is read."""

    def __init__(self, end: Callable[[], None]) -> None:
        super().__init__(found)
        self._end = end

    def StreamRecordEvents(self, request: Any, context: Any) -> Iterator[Any]:
        yield records.StreamRecordEventsResponse()
        self._end()
        while context.is_active():
            yield records.StreamRecordEventsResponse()


def nothing() -> None:
    """Goes on."""


def refuse() -> None:
    raise LookupError(SECRET)


@pytest.mark.parametrize(
    ("end", "status"), [(refuse, "INTERNAL"), (nothing, "CANCELLED")], ids=["fails", "is cancelled"]
)
def test_the_span_of_a_stream_ends_when_it_fails_and_when_its_reader_goes(
    end: Callable[[], None], status: str
) -> None:
    with recorded() as spans, serving(RECORDS, Streaming(end), caller="edge") as opened:
        stream = RecordsServiceStub(opened).StreamRecordEvents(
            records.StreamRecordEventsRequest(), metadata=(("authorization", "Bearer x"),)
        )
        next(stream)
        if status == "CANCELLED":
            stream.cancel()
        with pytest.raises(PlexusError):
            for _ in stream:
                pass
        server = spans.one(SpanKind.SERVER)
    assert told(server)[STATUS_CODE] == getattr(grpc.StatusCode, status).value[0]
    assert SECRET not in server.to_json()


def test_a_call_that_its_caller_gave_up_has_a_span_that_says_so() -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(request: Any, context: Any) -> Any:
        begun.set()
        context.add_callback(go.set)
        assert go.wait(10)
        return found(request, context)

    with recorded() as spans, serving(RECORDS, Answering(slow), raw=True) as plain:
        call = RecordsServiceStub(plain).GetPatient.future(PATIENT, timeout=10)
        assert begun.wait(5)
        call.cancel()
        server = spans.one(SpanKind.SERVER)
    assert told(server)[STATUS_CODE] == grpc.StatusCode.CANCELLED.value[0]
    # Nobody upstream had decided: the trace began here, and all are recorded.
    assert parent_of(server) == 0


def test_an_unsampled_call_passes_its_trace_on_and_makes_no_span() -> None:
    seen: list[str] = []

    def note(request: Any, context: Any) -> Any:
        work = current()
        seen.append(work.traceparent if work else "")
        return found(request, context)

    header = f"00-{'a' * 32}-{'b' * 16}-00"
    for told_by_caller in (header, "a patient's name", None):
        metadata = (("traceparent", told_by_caller),) if told_by_caller else ()
        with (
            recorded() as spans,
            serving(RECORDS, Answering(note), sampling=0.0, raw=True) as plain,
        ):
            RecordsServiceStub(plain).GetPatient(PATIENT, timeout=5, metadata=metadata)
        assert spans.all() == ()
    assert seen[0] == header
    # Whatever else a caller sends is not a trace, and is not carried on.
    assert all(len(each) == len(header) and "patient" not in each for each in seen[1:])
