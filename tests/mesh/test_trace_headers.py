"""A trace goes on from a caller's header as OpenTelemetry's own reader has it, and no vendor's state does."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from observability.tracing.headers import Headers

IDS = f"{'ab' * 16}-{'cd' * 8}"


@pytest.mark.parametrize(
    "header",
    [
        f"00-{IDS}-01",
        f"00-{IDS}-00",
        f"01-{IDS}-01",
        f"ff-{IDS}-01",
        f"00-{'0' * 32}-{'cd' * 8}-01",
        f"00-{'ab' * 16}-{'0' * 16}-01",
        f"00-{IDS}-1",
        f"00-{IDS.upper()}-01",
        f"00-{IDS}-01-more",
        "",
        None,
    ],
)
def test_a_header_is_read_as_opentelemetry_reads_it(header: str | None) -> None:
    carrier = {} if header is None else {"traceparent": header}
    told, expected = (
        trace.get_current_span(reader.extract(carrier)).get_span_context()
        for reader in (Headers(), TraceContextTextMapPropagator())
    )
    assert told == expected
    assert told.is_remote == expected.is_remote


def test_what_a_vendor_added_is_not_carried_on() -> None:
    carrier = {"traceparent": f"00-{IDS}-01", "tracestate": "vendor=anything"}
    context = Headers().extract(carrier)
    sent: dict[str, str] = {}
    Headers().inject(sent, context)
    assert sent == {"traceparent": f"00-{IDS}-01"}
