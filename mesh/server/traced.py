"""The span of a call that is answered: made by the instrumentation when the call is sampled, and
afterwards, from the times that were kept, when it is not and turns out to be worth one.

What a span says is who asked, how it ended, and the documented reason; never anything of a message.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

import grpc
from opentelemetry import trace as otel

from mesh.server.faults import fault_of, outcome_of
from mesh.server.incoming import Incoming
from plexus.client import Inbound, afterwards
from plexus.client.attempts import HEADER, NUMBER
from plexus.client.spans import DEPENDENCY, DOMAIN, REASON, SECONDS, STATUS_CODE, note
from plexus.client.traceparent import TRACEPARENT, is_valid, span_id_of, trace_id_of
from plexus.contract import Method

CALLER: Final = "plexus.caller"
PREVIOUS_ATTEMPTS: Final = "plexus.previous_attempts"

# gRFC A6: which of gRPC's own retries this is.
_RETRIED: Final = "grpc-previous-rpc-attempts"
# What the semantic conventions for RPC call an error of the server.
_ERRORS: Final = frozenset(
    {
        "UNKNOWN",
        "DEADLINE_EXCEEDED",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
    }
)


class Shown:
    """What the instrumentation is shown of a call: of its metadata the trace, and no peer.

    It would make two dictionaries of all metadata and take the peer's address apart; who the caller is,
    its certificate says. *call* is the call itself.
    """

    __slots__ = ("call", "metadata")

    def __init__(self, call: grpc.ServicerContext, metadata: Mapping[str, Any]) -> None:
        self.call = call
        self.metadata = metadata

    def invocation_metadata(self) -> Sequence[_Pair]:
        """What names the trace."""
        header = self.metadata.get(TRACEPARENT)
        return () if header is None else (_Pair(TRACEPARENT, header),)

    def peer(self) -> str:
        """None to speak of."""
        return "unix:"


class _Pair(NamedTuple):
    key: str
    value: Any


class Failed(NamedTuple):
    """Takes an error past the instrumentation, which would write down its text and its stack."""

    error: Exception


def instrumented(method: Method, kind: str, serve: Any) -> Any:
    """*serve* inside a span: called as `(raw, Shown)`, it calls *serve* as `(raw, context)`, where
    `context.call` and `context.metadata` are the call's. What *serve* returns, or yields last, as
    Failed comes out when the span has ended."""
    # Imported for the first sampled call: a process that never samples never pays for it.
    from opentelemetry.instrumentation import grpc as instrumentation

    make: Any = instrumentation.server_interceptor
    handler = getattr(grpc, f"{kind}_rpc_method_handler")(serve)
    details = SimpleNamespace(method=method.wire_path)
    return getattr(make().intercept_service(lambda _: handler, details), kind)


def unspan(responses: Any) -> Iterator[Any]:
    """The responses of an instrumented stream. Its error is raised when its span has ended."""
    failure: Failed | None = None
    with closing(responses):
        for response in responses:
            if isinstance(response, Failed):
                failure = response
            else:
                yield response
    if failure is not None:
        raise failure.error


def finish(span: otel.Span, incoming: Incoming, error: BaseException | None) -> None:
    """Write on the span of a sampled call how it ended. It is ended by whoever began it."""
    told: dict[str, Any] = {CALLER: incoming.caller}
    tell_attempts(told, incoming.metadata)
    if error is not None:
        told.update(_reasons(error))
    elif not incoming.context.is_active():
        # It was finished for nobody.
        left = incoming.work.remaining()
        gone = grpc.StatusCode.CANCELLED if left > 0 else grpc.StatusCode.DEADLINE_EXCEEDED
        told[STATUS_CODE] = gone.value[0]
    span.set_attributes(told)
    if error is not None and outcome_of(error) in _ERRORS:
        span.set_status(otel.StatusCode.ERROR, told.get(REASON, ""))


def leave(
    method: Method, incoming: Incoming, began: float, error: Exception | None, *, slow: bool
) -> None:
    """Make the span of a call that was not sampled, begun at *began* on the monotonic clock, if it is
    worth one: it failed on the platform's account, it was slow, or something that it led to did."""
    work = incoming.work
    outcome = outcome_of(error) if error is not None else "OK"
    if not (slow or work.span_id or outcome in afterwards.FAILURES) or not afterwards.are_kept():
        return
    told = afterwards.attributes_of(method.wire_path)
    told[CALLER] = incoming.caller
    tell_attempts(told, incoming.metadata)
    if work.queued:
        told["plexus.queued_seconds"] = work.queued
    if error is not None:
        told.update(_reasons(error))
    is_told = is_valid(incoming.metadata.get(TRACEPARENT))
    afterwards.leave(
        afterwards.Late(
            name=method.wire_path,
            is_server=True,
            trace_id=int(trace_id_of(work.traceparent), 16),
            span_id=work.own_span(),
            parent=span_id_of(work.traceparent) if is_told else 0,
            seconds=time.monotonic() - began,
            attributes=told,
            failure=told.get(REASON, "") if outcome in _ERRORS else "",
            happenings=tuple(_degradations(work)),
        )
    )


def tell_attempts(told: dict[str, Any], metadata: Mapping[str, Any]) -> None:
    """Say in *told* that this is not the first attempt at the call, if it is not."""
    if _RETRIED in metadata:
        told[PREVIOUS_ATTEMPTS] = int(metadata[_RETRIED])
    if HEADER in metadata:
        told[NUMBER] = str(metadata[HEADER])[:2]


def tell_queued(work: Inbound, seconds: float) -> None:
    """Note that the call has waited for its turn."""
    work.queued += seconds
    note("plexus.admission.queued", {SECONDS: seconds})


def _reasons(error: BaseException) -> dict[str, Any]:
    if outcome_of(error) == grpc.StatusCode.CANCELLED.name:
        return {STATUS_CODE: grpc.StatusCode.CANCELLED.value[0]}
    fault = fault_of(error)
    reason = fault.reason
    told: dict[str, Any] = {
        STATUS_CODE: reason.code,
        "error.type": reason.name,
        REASON: reason.name,
        DOMAIN: reason.domain,
    }
    if dependency := fault.metadata.get("dependency"):
        told[DEPENDENCY] = dependency
    if reason.name == "INTERNAL":
        told["exception.type"] = type(error).__name__
    return told


def _degradations(work: Inbound) -> Iterator[afterwards.Happening]:
    for each in work.degradations:
        yield afterwards.Happening(
            "plexus.degraded",
            {DEPENDENCY: each.dependency, "plexus.effect": each.effect, REASON: each.reason},
        )
