"""Which calls are told of in the log, and what of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from mesh import meaning
from mesh.server.incoming import Incoming, Parts
from mesh.server.tell import Brake, tell
from observability.metrics import CallMetrics
from plexus.client import Inbound
from plexus.contract import load
from plexus.errors import Fault, Unavailable, Violation
from plexus.records.v1 import records_service_pb2 as records
from plexus.records.v1.errors_pb2 import RecordsError
from plexus.type.v1.degradation_pb2 import Degradation
from plexus.type.v1.errors_pb2 import PlatformError

CONTRACT = load()
SEARCH = CONTRACT.find("records.SearchPatients")
STREAM = CONTRACT.find("records.StreamRecordEvents")
TRACE = "ab" * 16
SECRET = "Zebulon"
REQUEST = records.SearchPatientsRequest(name=SECRET, page_size=5)
PARTS = Parts(
    contract=CONTRACT,
    metrics=CallMetrics(CollectorRegistry()),
    identify=lambda _: "triage",
    verify=None,
)
REFUSED = Fault(
    PlatformError,
    PlatformError.PLATFORM_ERROR_REQUEST_INVALID,
    violations=(Violation("name", f"must not be {SECRET}", "string.max_len"),),
)


def arriving(*, sampled: bool = False) -> Incoming:
    parent = f"00-{TRACE}-{'cd' * 8}-{'01' if sampled else '00'}"
    work = Inbound("w", {}, time.monotonic() + 60, traceparent=parent, sampled=sampled)
    context: Any = None
    return Incoming(b"", context, {}, work, request=REQUEST, caller="triage")


def lines(answer: Any, *, sampled: bool = False, method: Any = SEARCH) -> list[dict[str, Any]]:
    """What is told of one call that *answer* answers."""

    def proceed(incoming: Incoming) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer(incoming) if callable(answer) else answer

    handle = tell(method, PARTS, proceed)
    # What is raised, the stack around it turns into a status.
    with capture_logs() as told, suppress(Exception, GeneratorExit):
        handle(arriving(sampled=sampled))
    return [dict(line) for line in told]


def slowly(_: Incoming) -> str:
    time.sleep(SEARCH.deadline * meaning.SLOW_SHARE + 0.01)
    return "answer"


def degraded(incoming: Incoming) -> str:
    incoming.work.degradations.append(Degradation(dependency="p.v1.S/M", effect="less"))
    return "answer"


BUSINESS = Fault(RecordsError, RecordsError.RECORDS_ERROR_SEARCH_TOO_BROAD)
STORE = Fault(PlatformError, PlatformError.PLATFORM_ERROR_STORE_UNAVAILABLE)
STRANGER = Fault(PlatformError, PlatformError.PLATFORM_ERROR_CALLER_NOT_ALLOWED)


@pytest.mark.parametrize(
    ("answer", "sampled", "level", "has"),
    [
        pytest.param("answer", False, None, {}, id="a quick success is not told"),
        pytest.param("answer", True, "info", {"outcome": "OK"}, id="a sampled one is"),
        pytest.param(slowly, False, "warning", {"outcome": "OK"}, id="a slow one is"),
        pytest.param(degraded, True, "info", {"degraded": ["p.v1.S/M"]}, id="what it lacks"),
        pytest.param(
            BUSINESS, False, "info", {"reason": "SEARCH_TOO_BROAD"}, id="a business error"
        ),
        pytest.param(STRANGER, False, "warning", {"reason": "CALLER_NOT_ALLOWED"}, id="a stranger"),
        pytest.param(STORE, False, "error", {"outcome": "UNAVAILABLE"}, id="no database"),
        pytest.param(
            ValueError(SECRET),
            False,
            "error",
            {"reason": "INTERNAL", "error": "ValueError"},
            id="a defect",
        ),
        pytest.param(
            Unavailable(grpc.StatusCode.UNAVAILABLE),
            False,
            "error",
            {"reason": "DEPENDENCY_UNAVAILABLE"},
            id="a dependency",
        ),
        pytest.param(
            REFUSED, False, "info", {"violations": ["name: string.max_len"]}, id="a refusal"
        ),
        pytest.param(GeneratorExit(), False, None, {}, id="a caller that went away"),
    ],
)
def test_what_is_told_of_a_call(
    answer: Any, sampled: bool, level: str | None, has: dict[str, Any]
) -> None:
    told = lines(answer, sampled=sampled)
    assert [line["log_level"] for line in told] == ([level] if level else [])
    for line in told:
        assert (
            line.items()
            >= {**has, "trace_id": TRACE, "caller": "triage", "method": SEARCH.path}.items()
        )
        assert line["duration_ms"] >= 0
    assert SECRET not in repr(told)


def test_the_request_of_a_failure_is_told_redacted_and_that_of_a_refusal_not_at_all() -> None:
    (failed,), (refused,) = lines(STORE), lines(REFUSED)
    assert failed["request"] == {"name": "·", "page_size": 5}
    assert "request" not in refused


def test_a_stream_has_one_line_at_its_end() -> None:
    def answers(_: Incoming) -> Iterator[int]:
        yield from range(3)

    handle = tell(STREAM, PARTS, answers)
    with capture_logs() as told:
        responses = handle(arriving(sampled=True))
        assert (next(responses), told) == (0, [])
        assert list(responses) == [1, 2]
    assert [line["outcome"] for line in told] == ["OK"]


def test_what_fails_a_thousand_times_a_second_is_told_a_few_times_and_counted() -> None:
    brake = Brake(3)
    assert [brake.passes("OVERLOADED", 7.0 + n / 1000)[0] for n in range(1000)].count(True) == 3
    assert brake.passes("INTERNAL", 7.9) == (True, 0)
    assert brake.passes("OVERLOADED", 8.0) == (True, 997)
    assert brake.passes("OVERLOADED", 8.1) == (True, 0)
